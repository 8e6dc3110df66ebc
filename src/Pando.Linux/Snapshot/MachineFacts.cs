namespace Pando.Linux.Snapshot;

/// <summary>What was read of the machine.</summary>
/// <param name="KernelRelease">uname -r.</param>
/// <param name="Levels">Levels of user page tables: 4, or 5 where the processor has la57 and the kernel uses it.</param>
/// <param name="Processors">Processors online.</param>
/// <param name="MemoryBytes">MemTotal.</param>
/// <param name="PageTableBytes">PageTables of /proc/meminfo.</param>
/// <param name="SecondaryTableBytes">SecPageTables (KVM, IOMMU); null before 6.0.</param>
/// <param name="Isolation">True with page-table isolation: the root is two pages.</param>
/// <param name="Pools">Huge page pools.</param>
/// <param name="Config">Kernel configuration as far as it matters here; empty if it is not published.</param>
/// <param name="TransparentHugePages">transparent_hugepage/enabled, the chosen word.</param>
/// <param name="ShmemHugePages">transparent_hugepage/shmem_enabled, the chosen word.</param>
/// <param name="Settings">vm.* settings that matter here.</param>
/// <param name="DefaultHugePageSize">Hugepagesize of /proc/meminfo, in bytes: the size that vm.nr_hugepages counts in; null if not known.</param>
/// <param name="AvailableBytes">MemAvailable; null if not known.</param>
/// <param name="HugetlbBytes">Hugetlb: memory in pools of huge pages of all sizes; null if not known.</param>
/// <param name="Nodes">Page tables by NUMA node; null if not known.</param>
/// <param name="TableSharing">What says that the kernel can share tables of PTEs (mshare, ptshare); null or empty if nothing does.</param>
/// <param name="Fork">What fork costs here; null if it was not measured.</param>
public sealed record MachineFacts(
    string KernelRelease,
    int Levels,
    int Processors,
    long MemoryBytes,
    long PageTableBytes,
    long? SecondaryTableBytes,
    bool Isolation,
    IReadOnlyList<HugePagePool> Pools,
    IReadOnlyDictionary<string, string> Config,
    string TransparentHugePages,
    string ShmemHugePages,
    IReadOnlyDictionary<string, string> Settings,
    ulong? DefaultHugePageSize = null,
    long? AvailableBytes = null,
    long? HugetlbBytes = null,
    IReadOnlyList<NodeTables>? Nodes = null,
    IReadOnlyList<string>? TableSharing = null,
    ForkRate? Fork = null)
{
    /// <summary>Name among the settings of the chosen word of hugepages-2048kB/shmem_enabled (Linux 6.8).</summary>
    public const string ShmemSetting = "hugepages-2048kB.shmem_enabled";
}
