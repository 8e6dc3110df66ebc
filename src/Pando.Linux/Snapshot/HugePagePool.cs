namespace Pando.Linux.Snapshot;

/// <summary>A pool of /sys/kernel/mm/hugepages: page size in bytes and numbers of pages.</summary>
public sealed record HugePagePool(ulong PageSize, long Total, long Free, long Reserved, long Surplus)
{
    /// <summary>True for what can be the size of a page, huge or not: a power of two from 4 KiB to 1 TiB.</summary>
    internal static bool IsPageSize(ulong size) => System.Numerics.BitOperations.IsPow2(size) && size is >= 4096 and <= 1UL << 40;
}
