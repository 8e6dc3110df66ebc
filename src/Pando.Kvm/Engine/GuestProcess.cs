using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using Pando.Files;
using Pando.Kvm.Native;
using Pando.Spaces;

namespace Pando.Kvm.Engine;

/// <summary>A process: an address space, registers, and the files that it may map.</summary>
/// <remarks>While a runner has it, the runner's threads own it; before and after, whoever made it.</remarks>
internal sealed class GuestProcess
{
    /// <summary>The most bytes that a process may write.</summary>
    internal const int MostOutput = 1 << 20;

    private readonly ArrayBufferWriter<byte> _output = new();
    private readonly StrongBox<long> _family = new();

    /// <summary>Makes a process that begins at <paramref name="entry"/> with all registers zero.</summary>
    /// <param name="space">Its address space, which stays the caller's.</param>
    /// <param name="entry">The address of its first instruction.</param>
    /// <param name="files">What it may map, by number.</param>
    internal GuestProcess(AddressSpace space, ulong entry, params MappedFile[] files)
    {
        Spaces = [space];
        Files = files;
        Registers = new KvmRegisters { Rip = entry };
    }

    /// <summary>The child of a fork: a copy of the registers, and a space that ends with it.</summary>
    internal GuestProcess(GuestProcess parent, AddressSpace space)
    {
        _family = parent._family;
        Spaces = [space];
        Files = parent.Files;
        Registers = parent.Registers;
        TimeLimit = parent.TimeLimit;
        OwnsSpace = true;
    }

    /// <summary>Its number, given by the runner.</summary>
    internal int Number { get; set; }

    internal AddressSpace Space => Spaces[0];

    /// <summary>The same, as processors take it.</summary>
    internal AddressSpace[] Spaces { get; }

    internal MappedFile[] Files { get; }

    /// <summary>Whether the space ends with the process.</summary>
    internal bool OwnsSpace { get; }

    /// <summary>The registers, while no processor has them.</summary>
    internal KvmRegisters Registers;

    /// <summary>
    /// The most time that it may take on processors, faults and system calls included, together with all that have come of
    /// the same process by forking: so a program that forks for ever ends.
    /// </summary>
    internal TimeSpan TimeLimit { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The time that counts towards the limit so far, in ticks of the stopwatch.</summary>
    internal long Ticks => Volatile.Read(ref _family.Value);

    /// <summary>Whether the limit is over.</summary>
    internal bool IsOverTime => Ticks > TimeLimit.TotalSeconds * Stopwatch.Frequency;

    internal long Faults { get; set; }

    internal long SystemCalls { get; set; }

    /// <summary>What it has written, read as UTF-8.</summary>
    internal string Output => Encoding.UTF8.GetString(_output.WrittenSpan);

    /// <summary>How it ended; null while it has not.</summary>
    internal ProcessEnd? End { get; set; }

    /// <summary>Counts time that it has been on a processor, in ticks of the stopwatch.</summary>
    internal void CountTime(long ticks) => Interlocked.Add(ref _family.Value, ticks);

    /// <summary>Takes what it writes; false where that would be more than <see cref="MostOutput"/>.</summary>
    internal bool TryWrite(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MostOutput - _output.WrittenCount)
        {
            return false;
        }

        _output.Write(bytes);
        return true;
    }
}
