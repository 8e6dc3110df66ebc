using Pando.Linux.Snapshot;

namespace Pando.Linux.Report;

/// <summary>
/// The machine's page tables, in bytes.
/// </summary>
/// <param name="KernelRelease">uname -r.</param>
/// <param name="MemoryBytes">MemTotal.</param>
/// <param name="PageTableBytes">PageTables of /proc/meminfo.</param>
/// <param name="PageTablePercent">Its part of memory.</param>
/// <param name="SecondaryTableBytes">SecPageTables (KVM, IOMMU); null before Linux 6.0.</param>
/// <param name="SumVmPteBytes">Sum of VmPTE over the visible processes.</param>
/// <param name="SharedCountedTwice">Part of that sum that counts a shared hugetlb table once more.</param>
/// <param name="NotInPageTables">PUD tables, where the kernel has them in VmPTE and not in PageTables (before 6.7).</param>
/// <param name="RootBytes">Root tables, one for each process (two pages with isolation), which VmPTE leaves out and
/// PageTables counts since 6.14; 0 before.</param>
/// <param name="OtherBytes">PageTables less all of the above (PageTables = SumVmPteBytes - SharedCountedTwice -
/// NotInPageTables + RootBytes + OtherBytes): the kernel's own tables, tables being freed, processes
/// that are not visible, and change during the scan.</param>
/// <param name="Processes">Visible processes with tables of their own.</param>
/// <param name="ProcessesRead">Of these, read to the page.</param>
/// <param name="NeededOnce">Tables needed once, over all objects.</param>
/// <param name="Duplicate">Duplicate tables, over all objects.</param>
/// <param name="Empty">Tables without entries.</param>
/// <param name="Unplaced">Tables of processes of which no more than VmPTE is known.</param>
/// <param name="ErrorBytes">By how much the sums of needed, duplicate and empty tables may be wrong, because not every process was read to the page (the sum of all is exact): what is not placed for want of time is in it.</param>
/// <param name="Support">What the kernel supports.</param>
public sealed record MachineReport(
    string KernelRelease,
    long MemoryBytes,
    long PageTableBytes,
    double PageTablePercent,
    long? SecondaryTableBytes,
    long SumVmPteBytes,
    long SharedCountedTwice,
    long NotInPageTables,
    long RootBytes,
    long OtherBytes,
    int Processes,
    int ProcessesRead,
    long NeededOnce,
    long Duplicate,
    long Empty,
    long Unplaced,
    long ErrorBytes,
    IReadOnlyList<SupportReport> Support)
{
    /// <summary>Why there are processes on the machine that could not be seen (another PID namespace, hidepid, the time
    /// budget), in a few words; null if all that have tables were.</summary>
    public string? Unseen { get; init; }

    /// <summary>The probability with which the machine's figures are within <see cref="ErrorBytes"/>, and each object's within its own.</summary>
    public double Confidence { get; init; }

    /// <summary>Page tables as a part of the memory that is not in pools of huge pages, in percent: Oracle's support warns from 2% on.</summary>
    public double OrdinaryPercent { get; init; }

    /// <summary>The line above which page tables are worth a look, in percent of the memory outside pools of huge pages.</summary>
    public double WarningPercent { get; init; } = 2;

    /// <summary>Page tables by NUMA node; null where the kernel does not tell.</summary>
    public IReadOnlyList<NodeTables>? Nodes { get; init; }

    /// <summary>What says that this kernel can share tables of PTEs between processes, so that VmPTE misleads; null if nothing does.</summary>
    public string? TableSharing { get; init; }

    /// <summary>What fork costs here; null if it was not measured.</summary>
    public ForkRate? Fork { get; init; }
}
