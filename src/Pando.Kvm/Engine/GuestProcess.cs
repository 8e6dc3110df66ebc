using System.Text;
using Pando.Files;
using Pando.Kvm.Native;
using Pando.Spaces;

namespace Pando.Kvm.Engine;

/// <summary>A process: an address space, registers, and the files that it may map.</summary>
/// <remarks>While a runner has it, the runner's threads own it; before and after, whoever made it.</remarks>
internal sealed class GuestProcess
{
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

    /// <summary>The most time that it may take on processors, faults and system calls included.</summary>
    internal TimeSpan TimeLimit { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Time on processors so far, in ticks of the stopwatch.</summary>
    internal long Ticks { get; set; }

    internal long Faults { get; set; }

    internal long SystemCalls { get; set; }

    /// <summary>What it has written.</summary>
    internal StringBuilder Output { get; } = new();

    /// <summary>How it ended; null while it has not.</summary>
    internal ProcessEnd? End { get; set; }
}
