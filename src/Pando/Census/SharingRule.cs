namespace Pando.Census;

/// <summary>
/// Which page tables processes may share: the input of <see cref="TableCensus"/>. Level 1 is a PTE table (spans
/// 2 MiB), 2 a PMD table (1 GiB), 3 a PUD table (512 GiB), 4 a P4D table (256 TiB, five levels only).
/// </summary>
/// <param name="Levels">Bit <c>t</c> is set if a table of level <c>t</c> may be shared; what hangs below a shared
/// table is shared with it.</param>
/// <param name="WholeSpan">True: the mapping must cover the table's span from end to end (Linux's rule for
/// hugetlb). False: nothing but this mapping may lie in the span, which may stick out at either end (Pando's rule).</param>
/// <param name="RightsInClass">True: only mappings with equal rights share (Linux, and formats without rights in the
/// slot). False: rights live in the slot above the shared table.</param>
public sealed record SharingRule(uint Levels, bool WholeSpan = false, bool RightsInClass = false)
{
    /// <summary>Every process has its own tables.</summary>
    public static SharingRule None { get; } = new(0);

    /// <summary>Linux's sharing of hugetlb PMD tables: a whole aligned 1 GiB, equal VMA flags
    /// (want_pmd_share and page_table_shareable in mm/hugetlb.c). The 2019 proposal for DAX is the same rule.</summary>
    public static SharingRule LinuxPmd { get; } = new(1u << 2, WholeSpan: true, RightsInClass: true);

    /// <summary>PTE tables alone, each over a whole 2 MiB window of the object.</summary>
    public static SharingRule PteTables { get; } = new(1u << 1, WholeSpan: true);

    /// <summary>Pando's rule up to tables of <paramref name="highestLevel"/> (3: PUD tables, 512 GiB).</summary>
    /// <exception cref="ArgumentOutOfRangeException">The level is not 1 to 4.</exception>
    public static SharingRule Pando(int highestLevel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(highestLevel, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(highestLevel, 4);
        return new(((1u << highestLevel) - 1) << 1);
    }

    /// <summary>True if a table of this level may itself be the shared one.</summary>
    public bool MayShare(int level) => (Levels >> level & 1) != 0;
}
