namespace Pando.Linux.Snapshot;

/// <summary>A pool of /sys/kernel/mm/hugepages: page size in bytes and numbers of pages.</summary>
public sealed record HugePagePool(ulong PageSize, long Total, long Free, long Reserved, long Surplus);
