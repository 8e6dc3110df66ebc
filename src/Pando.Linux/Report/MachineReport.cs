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
/// <param name="ErrorBytes">By how much the split over objects may be wrong (the sum is exact).</param>
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
}
