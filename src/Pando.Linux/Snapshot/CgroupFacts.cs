namespace Pando.Linux.Snapshot;

/// <summary>What was read of a cgroup. Sizes in bytes; the kernel counts a cgroup and all below it.</summary>
/// <param name="Path">Its path, as /proc/PID/cgroup writes it.</param>
/// <param name="ChargedTableBytes">Page tables charged to it: memory.stat's pagetables (cgroup v2, Linux 5.11); null where the
/// kernel does not tell.</param>
/// <param name="WhyNotCharged">Why <paramref name="ChargedTableBytes"/> is null; else null.</param>
/// <param name="SecondaryTableBytes">memory.stat's sec_pagetables (KVM's tables of guests; Linux 6.0); null where the kernel does not tell.</param>
/// <param name="Nodes">memory.numa_stat's pagetables, by node; null where the kernel does not tell.</param>
/// <param name="MemoryLimit">The tightest memory.max of it and of those above; null if there is none.</param>
/// <param name="MemoryUsed">memory.current of the cgroup whose limit that is.</param>
/// <param name="Hugetlb">Limits of huge pages; sizes without any are left out. Null where they were not read.</param>
/// <param name="ContainerName">The name that a container has for its users, where Docker's, podman's or the kubelet's files tell it.</param>
/// <param name="PodName">The pod's "namespace/name", where the kubelet's files tell it.</param>
public sealed record CgroupFacts(
    string Path,
    long? ChargedTableBytes,
    string? WhyNotCharged = null,
    long? SecondaryTableBytes = null,
    IReadOnlyList<NodeTables>? Nodes = null,
    long? MemoryLimit = null,
    long? MemoryUsed = null,
    IReadOnlyList<HugetlbLimit>? Hugetlb = null,
    string? ContainerName = null,
    string? PodName = null);
