namespace Pando.Linux.Report;

/// <summary>
/// One cgroup's page tables, in bytes: sum of VmPTE of its processes, and what memory.stat charges to it (null where
/// the kernel does not tell). Charged is less where a table is shared (whoever touched first pays).
/// </summary>
public sealed record CgroupReport(string Path, int Processes, long TableBytes, long Live, long Duplicate, long Empty, long? ChargedBytes);
