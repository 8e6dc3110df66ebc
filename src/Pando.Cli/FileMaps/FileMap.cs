using Pando.Files;

namespace Pando.Cli.FileMaps;

/// <summary>One file: where it lies, and what leaves could show it.</summary>
internal sealed record FileMap
{
    public const long PmdLeaf = 2L << 20;
    public const long PudLeaf = 1L << 30;
    private const long Page = 4096;

    public required string Path { get; init; }

    public required ulong Inode { get; init; }

    public required long Size { get; init; }

    /// <summary>Why nothing of it may be stored to; "None" if that is not so.</summary>
    public required string StoreRefusal { get; init; }

    /// <summary>Why it cannot be read; null if it can.</summary>
    public string? Damage { get; init; }

    public long ExtentCount { get; init; }

    /// <summary>Extents whose place is congruent to the file offset modulo 2 MiB.</summary>
    public long AlignedExtents { get; init; }

    /// <summary>Bytes by the extent's state; holes up to the end of the file, the others as far as they reach.</summary>
    public IReadOnlyDictionary<string, long> Bytes { get; init; } = new Dictionary<string, long>();

    public WindowTotals? Leaves2MiB { get; init; }

    public WindowTotals? Leaves1GiB { get; init; }

    /// <summary>The extents, if one file was asked for; else null.</summary>
    public IReadOnlyList<PlacedExtent>? Extents { get; init; }

    public static FileMap Of(string path, ulong inode, long size, string storeRefusal, IReadOnlyList<PlacedExtent> extents, ulong deviceStart, bool withExtents)
    {
        var bytes = new SortedDictionary<string, long>(StringComparer.Ordinal);
        long end = 0;
        long holes = 0;
        foreach (var extent in extents)
        {
            bytes[extent.State.ToString()] = bytes.GetValueOrDefault(extent.State.ToString()) + extent.Length;
            holes += Math.Max(0, Math.Min(extent.FileOffset, size) - end);
            end = extent.FileEnd;
        }

        holes += Math.Max(0, size - end);
        if (holes > 0)
        {
            bytes[nameof(ExtentState.Hole)] = holes;
        }

        return new FileMap
        {
            Path = path,
            Inode = inode,
            Size = size,
            StoreRefusal = storeRefusal,
            ExtentCount = extents.Count,
            AlignedExtents = extents.LongCount(e => ((deviceStart + unchecked((ulong)(e.DeviceOffset - e.FileOffset))) & (PmdLeaf - 1)) == 0),
            Bytes = bytes,
            Leaves2MiB = Totals(PmdLeaf),
            Leaves1GiB = Totals(PudLeaf),
            Extents = withExtents ? extents : null,
        };

        // A size so near to 2^63 has no whole window behind it, and no mapping either.
        WindowTotals? Totals(long leaf) => size <= long.MaxValue - leaf ? WindowTotals.Of(extents, (size + Page - 1) & -Page, leaf, deviceStart) : null;
    }
}
