using Pando.Hardware;

namespace Pando.Tables;

/// <summary>Something that a processor remembers of a space, as it tells the auditor and reports.</summary>
/// <param name="Space">The space of whose tables it is.</param>
/// <param name="Address">The first address that it covers.</param>
/// <param name="Level">The level of the table that has the entry: 1 = PTE, 2 = PMD, ....</param>
/// <param name="IsLeaf">Whether it is a leaf; else an upper entry.</param>
/// <param name="Target">Where the page or the table lies.</param>
/// <param name="Rights">What all entries down to here grant together.</param>
/// <param name="ProtectionKey">Leaf: the protection key.</param>
/// <param name="Dirty">Whether stores go ahead without marking the leaf again.</param>
public readonly record struct CachedTranslation(
    SpaceTables Space,
    VirtualAddress Address,
    int Level,
    bool IsLeaf,
    PhysicalAddress Target,
    Rights Rights,
    int ProtectionKey,
    bool Dirty);
