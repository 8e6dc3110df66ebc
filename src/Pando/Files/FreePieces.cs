using Pando.Intervals;

namespace Pando.Files;

/// <summary>
/// What is kept of free pieces of a device: the most bytes that one of them has from its first multiple of 1, of a page, and of what an
/// entry of the next level and of the one above that covers (4 KiB, 2 MiB, 1 GiB).
/// </summary>
internal readonly record struct FreePieces(long Most, long MostFromPage, long MostFromLarge, long MostFromLargest) : IIntervalSummary<FreePieces, FreeSpace>
{
    public static FreePieces Of(in Interval<FreeSpace> piece) => new(
        piece.Length,
        BytesFrom(piece, piece.Value.PageShift),
        BytesFrom(piece, piece.Value.LargeShift),
        BytesFrom(piece, piece.Value.LargestShift));

    public static FreePieces Join(in FreePieces first, in FreePieces second) => new(
        Math.Max(first.Most, second.Most),
        Math.Max(first.MostFromPage, second.MostFromPage),
        Math.Max(first.MostFromLarge, second.MostFromLarge),
        Math.Max(first.MostFromLargest, second.MostFromLargest));

    private static long BytesFrom(in Interval<FreeSpace> piece, int shift) => piece.End - (((piece.Start + (1L << shift) - 1) >> shift) << shift);

    /// <summary>A free piece that has so many bytes from a multiple of an alignment on.</summary>
    public readonly record struct Fit(FreeSpace Shape, long Length, long Alignment) : ISummaryTest<FreePieces>
    {
        public bool Holds(in FreePieces pieces) =>
            Length <= (Alignment == 1 ? pieces.Most
                : Alignment == 1L << Shape.PageShift ? pieces.MostFromPage
                : Alignment == 1L << Shape.LargeShift ? pieces.MostFromLarge
                : Alignment == 1L << Shape.LargestShift ? pieces.MostFromLargest
                : throw new ArgumentOutOfRangeException(nameof(pieces), Alignment, "Pieces are looked for at multiples of 1, of a page, or of what entries of the next two levels cover."));
    }
}
