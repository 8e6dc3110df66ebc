namespace Pando.Linux.Report;

/// <summary>Why Linux does not share a hugetlb mapping's PMD table with others: the rules of want_pmd_share and
/// page_table_shareable in mm/hugetlb.c, one by one.</summary>
public enum ShareRefusal
{
    /// <summary>The kernel is built without CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING.</summary>
    KernelWithoutSharing,

    /// <summary>Only tables of 2 MiB pages are shared; 1 GiB pages have no PMD table at all.</summary>
    PageSize,

    /// <summary>The mapping is private.</summary>
    PrivateMapping,

    /// <summary>userfaultfd (write-protect or minor faults) is registered on the mapping.</summary>
    Userfaultfd,

    /// <summary>The mapping does not cover the whole aligned 1 GiB.</summary>
    SpanNotCovered,

    /// <summary>Address less file offset differs from the others' modulo 1 GiB.</summary>
    AddressNotCongruent,

    /// <summary>Rights differ from the others'.</summary>
    RightsDiffer,

    /// <summary>Other VMA flags differ from the others'.</summary>
    FlagsDiffer,

    /// <summary>No other process maps this part.</summary>
    NobodyElse,

    /// <summary>The rules allow it, and yet the table is its own: filled before another could be found, or no
    /// memory for the VMA's lock.</summary>
    NotSharedYet,
}
