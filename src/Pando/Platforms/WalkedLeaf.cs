using Pando.Hardware;

namespace Pando.Platforms;

/// <summary>The leaf that a walk has found.</summary>
/// <param name="Table">The physical address of the table that has it.</param>
/// <param name="Index">Its index there, from 0.</param>
/// <param name="Level">The level of that table: 1 = PTE, 2 = PMD, ....</param>
/// <param name="Entry">The leaf, in the machine's format.</param>
/// <param name="Page">Where its page begins; a multiple of the page's size.</param>
/// <param name="PageSize">Bytes in the page.</param>
/// <param name="Rights">What all entries on the way grant together.</param>
public readonly record struct WalkedLeaf(PhysicalAddress Table, int Index, int Level, Entry Entry, PhysicalAddress Page, long PageSize, Rights Rights)
{
    /// <summary>Where an address of the page lies.</summary>
    public PhysicalAddress PlaceOf(VirtualAddress address) => Page + (long)(address.Value & (ulong)(PageSize - 1));
}
