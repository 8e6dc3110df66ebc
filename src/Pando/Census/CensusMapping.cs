namespace Pando.Census;

/// <summary>
/// One linear mapping in one address space, as the census sees it: bytes <c>[Start, End)</c> of virtual addresses
/// show <c>File</c> from <c>FileOffset</c> (bytes) on.
/// </summary>
/// <param name="Start">First virtual address.</param>
/// <param name="End">Virtual address after the last.</param>
/// <param name="File">Number of the mapped object; mappings of one object in several spaces carry the same number.</param>
/// <param name="FileOffset">Offset in the object, in bytes, that stands at <paramref name="Start"/>.</param>
/// <param name="Shareable">True if the rule at hand may share this mapping's tables at all (a shared file mapping,
/// a hugetlb mapping, ...). False for private and anonymous memory: it still stands in the way of others.</param>
/// <param name="Class">Mappings of different classes never share a table (MAP_SYNC, memory type, VMA flags).</param>
/// <param name="Rights">Rights of the mapping, as any number: part of the class where the rule says so, and the
/// reason why two neighbouring mappings are not one linear mapping.</param>
/// <param name="LeafLevel">Level of the leaves where <paramref name="Populated"/> is null.</param>
/// <param name="Populated">Populated runs in ascending order; null = populated from end to end; empty = no tables,
/// the mapping only stands in the way of its neighbours.</param>
public sealed record CensusMapping(
    ulong Start,
    ulong End,
    long File,
    long FileOffset,
    bool Shareable,
    int Class = 0,
    int Rights = 0,
    int LeafLevel = 0,
    IReadOnlyList<CensusRun>? Populated = null);
