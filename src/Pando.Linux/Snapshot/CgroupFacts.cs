namespace Pando.Linux.Snapshot;

/// <summary>A cgroup and the page tables charged to it (memory.stat's pagetables, in bytes; null if the file has no
/// such line or is not readable: cgroup v1, kernels before 5.11).</summary>
public sealed record CgroupFacts(string Path, long? ChargedTableBytes);
