namespace Pando.Linux.Snapshot;

/// <summary>How large a snapshot may be that is read: bytes of the file, and bytes of memory that its contents take.</summary>
internal sealed record SnapshotLimits(long FileBytes, long MemoryBytes)
{
    /// <summary>A machine with 100,000 processes of 100 mappings each has a snapshot of some 200 MiB.</summary>
    public const long MostFileBytes = 512L << 20;

    private const long MostMemoryBytes = 8L << 30;

    /// <summary>What this machine can take: no more than half of its memory (of its container's).</summary>
    public static SnapshotLimits Here => new(MostFileBytes, Math.Min(MostMemoryBytes, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2));
}
