namespace Pando.Files;

/// <summary>
/// Judges whether a window of a file can be shown by one leaf, by where the file lies: the rules of Linux's DAX (fs/dax.c,
/// dax_iomap_pmd_fault). What the mapping allows (rights, edges, addresses) is judged before, by those who know it.
/// </summary>
public static class WindowJudge
{
    /// <summary>Judges one window.</summary>
    /// <param name="extents">Where the file lies.</param>
    /// <param name="start">Where the window begins in the file: a multiple of <paramref name="size"/>.</param>
    /// <param name="size">The leaf's size: a power of two.</param>
    /// <param name="fileEnd">The first offset past the file, or past its last page where leaves may reach as far.</param>
    /// <param name="deviceStart">The physical address at which the device begins; or how far it is from a multiple of <paramref name="size"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The window is none: a negative start, a size that is no power of two, or an end past 2^63.</exception>
    public static WindowVerdict Judge<TExtents>(TExtents extents, long start, long size, long fileEnd, ulong deviceStart = 0)
        where TExtents : struct, IExtents, allows ref struct
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfNotEqual(size & (size - 1), 0, nameof(size));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, long.MaxValue - size, nameof(start));
        long end = start + size;
        var first = extents.FirstFrom(start);
        bool isHole = first.Length == 0 || first.FileOffset >= end;
        var state = isHole ? ExtentState.Hole : first.State;
        if (end > fileEnd)
        {
            return new(SmallPageReason.EndOfFile, state, 1);
        }

        if (isHole)
        {
            long reach = first.Length == 0 ? fileEnd : Math.Min(first.FileOffset, fileEnd);
            return new(SmallPageReason.Hole, state, Whole(start, reach, size));
        }

        if (first.FileOffset > start)
        {
            return new(SmallPageReason.Hole, state, 1);
        }

        var reason = JudgePieces(extents, first, end);
        if (reason == SmallPageReason.None && first.State == ExtentState.NoPlace)
        {
            reason = SmallPageReason.ExtentTooShort;
        }

        if (reason is SmallPageReason.None or SmallPageReason.PartlyWritten or SmallPageReason.PartlyShared
            && !IsAligned(first, size, deviceStart))
        {
            reason = SmallPageReason.PhysicalNotAligned;
        }

        return new(reason, state, Whole(start, Math.Min(first.FileEnd, fileEnd), size));
    }

    /// <summary>Whether the window lies in one piece and in one state.</summary>
    private static SmallPageReason JudgePieces<TExtents>(TExtents extents, PlacedExtent first, long end)
        where TExtents : struct, IExtents, allows ref struct
    {
        // The file system answers a fault with one extent, and those whose place goes on in another state are two. What stands in
        // the way first is told: a fault does not look through all pieces of its window.
        var reason = SmallPageReason.None;
        for (var piece = first; piece.FileEnd < end;)
        {
            var next = extents.FirstFrom(piece.FileEnd);
            if (next.Length == 0 || next.FileOffset > piece.FileEnd)
            {
                return SmallPageReason.Hole;
            }

            if (next.DeviceOffset - next.FileOffset != first.DeviceOffset - first.FileOffset)
            {
                return SmallPageReason.ExtentTooShort;
            }

            reason = (next.State == ExtentState.Shared) != (first.State == ExtentState.Shared) ? SmallPageReason.PartlyShared : SmallPageReason.PartlyWritten;
            if (next.State != first.State)
            {
                return reason;
            }

            piece = next; // cut by the file system, and in one state
        }

        return reason;
    }

    private static bool IsAligned(PlacedExtent extent, long size, ulong deviceStart) =>
        ((deviceStart + unchecked((ulong)(extent.DeviceOffset - extent.FileOffset))) & ((ulong)size - 1)) == 0;

    private static long Whole(long start, long reach, long size) => Math.Max(1, (reach - start) / size);
}
