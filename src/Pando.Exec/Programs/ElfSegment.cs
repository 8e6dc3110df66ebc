using Pando.Hardware;

namespace Pando.Exec.Programs;

/// <summary>A part of a program that is loaded (PT_LOAD). Its numbers have been checked: none overflows, all lie below the user's end.</summary>
/// <param name="Address">Where it begins, before the program is moved.</param>
/// <param name="Offset">Where it begins in the file; congruent with the address modulo the page size.</param>
/// <param name="FileLength">Bytes from the file.</param>
/// <param name="MemoryLength">Bytes in memory, at least as many; what the file has not is zero.</param>
/// <param name="Rights">What may be done with it.</param>
internal readonly record struct ElfSegment(ulong Address, long Offset, ulong FileLength, ulong MemoryLength, Rights Rights)
{
    /// <summary>The first address past it.</summary>
    internal ulong End => Address + MemoryLength;
}
