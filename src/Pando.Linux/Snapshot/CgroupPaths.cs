namespace Pando.Linux.Snapshot;

/// <summary>
/// Where a process is in other hierarchies of cgroups than the one that accounts memory (cgroup v1 has several):
/// <c>Unit</c> tells what it belongs to (systemd's hierarchy, else any that says more than "/"), <c>Hugetlb</c> is the one
/// that limits huge pages.
/// </summary>
public sealed record CgroupPaths(string Unit, string Hugetlb);
