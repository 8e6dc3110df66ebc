namespace Pando.Kvm.Physical;

/// <summary>A small address space in the machine's private memory, for the machine's own code; it only ever grows.</summary>
internal sealed class OwnTables
{
    // Entry bits, Intel SDM vol. 3A, 5.5.4: present, writable, user, accessed, dirty, page size. A and D are set
    // beforehand: no walk has to write.
    internal const ulong Supervisor = 0x63;
    internal const ulong User = 0x67;
    internal const ulong LargePage = 0x80;

    private const ulong AddressBits = 0x000F_FFFF_FFFF_F000;

    private readonly PrivateMemory _memory;
    private readonly int _levels;

    /// <summary>Makes the root table, empty: it still lacks the entry that leads to the kernel image.</summary>
    internal OwnTables(PrivateMemory memory, int levels)
    {
        _memory = memory;
        _levels = levels;
        Root = memory.AllocatePage();
    }

    /// <summary>The entry that leads to the kernel image.</summary>
    internal ref ulong KernelEntry => ref _memory.Entry(Root, KernelLayout.RootIndex);

    /// <summary>The root table's guest-physical address.</summary>
    internal ulong Root { get; }

    /// <summary>The entry that maps <paramref name="address"/> at <paramref name="level"/> (1: 4 KiB, 2: 2 MiB).</summary>
    /// <param name="address">The virtual address.</param>
    /// <param name="level">The level of the leaf.</param>
    /// <param name="tableBits">Entry bits for tables that are missing on the way.</param>
    internal ref ulong Leaf(ulong address, int level, ulong tableBits)
    {
        var table = Root;
        for (var above = _levels; above > level; above--)
        {
            ref var entry = ref _memory.Entry(table, Index(address, above));
            if (entry == 0)
            {
                entry = _memory.AllocatePage() | tableBits;
            }

            table = entry & AddressBits;
        }

        return ref _memory.Entry(table, Index(address, level));
    }

    private static ulong Index(ulong address, int level) => address >> (12 + (9 * (level - 1))) & 511;
}
