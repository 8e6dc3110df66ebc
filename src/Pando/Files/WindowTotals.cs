namespace Pando.Files;

/// <summary>How much of a file could be shown by leaves of one size.</summary>
public sealed record WindowTotals
{
    /// <summary>Bytes of a leaf.</summary>
    public required long LeafSize { get; init; }

    /// <summary>Windows of the file, the last of which it may not fill.</summary>
    public required long Windows { get; init; }

    /// <summary>Windows that a leaf can show, and that may be stored to.</summary>
    public required long Writable { get; init; }

    /// <summary>Windows that a leaf can show for loads alone: they are shared with other files.</summary>
    public required long LoadOnly { get; init; }

    /// <summary>Windows that lie well for a leaf, and where nothing was written: they read as zeroes.</summary>
    public required long Unwritten { get; init; }

    /// <summary>The other windows, by the reason.</summary>
    public required IReadOnlyDictionary<SmallPageReason, long> Refused { get; init; }

    /// <summary>Counts the windows of a file. Takes time by the extents, not by the windows.</summary>
    /// <param name="extents">Where it lies, in the order of the file.</param>
    /// <param name="fileEnd">The first offset past the file's last page, which counts as whole.</param>
    /// <param name="leafSize">Bytes of a leaf: a power of two.</param>
    /// <param name="deviceStart">The physical address at which the device begins.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size that cannot be.</exception>
    public static WindowTotals Of(IReadOnlyList<PlacedExtent> extents, long fileEnd, long leafSize, ulong deviceStart = 0)
    {
        ArgumentNullException.ThrowIfNull(extents);
        ArgumentOutOfRangeException.ThrowIfNegative(fileEnd);
        ArgumentOutOfRangeException.ThrowIfLessThan(leafSize, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(fileEnd, long.MaxValue - leafSize);
        var list = new ExtentList(extents);
        var refused = new SortedDictionary<SmallPageReason, long>();
        var found = new long[Enum.GetValues<ExtentState>().Length];
        for (long start = 0; start < fileEnd;)
        {
            var verdict = WindowJudge.Judge(list, start, leafSize, fileEnd, deviceStart);
            if (verdict.Reason == SmallPageReason.None)
            {
                found[(int)verdict.State] += verdict.Windows;
            }
            else
            {
                refused[verdict.Reason] = refused.GetValueOrDefault(verdict.Reason) + verdict.Windows;
            }

            start += verdict.Windows * leafSize;
        }

        return new WindowTotals
        {
            LeafSize = leafSize,
            Windows = (fileEnd / leafSize) + (fileEnd % leafSize == 0 ? 0 : 1),
            Writable = found[(int)ExtentState.Written],
            LoadOnly = found[(int)ExtentState.Shared],
            Unwritten = found[(int)ExtentState.Unwritten],
            Refused = refused,
        };
    }
}
