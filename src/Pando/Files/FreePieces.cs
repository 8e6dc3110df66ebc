using Pando.Hardware;
using Pando.Intervals;

namespace Pando.Files;

/// <summary>
/// What is kept of free pieces of a device: the most bytes that one of them has from its first multiple of 1, 4 KiB, 2 MiB
/// and 1 GiB on.
/// </summary>
internal readonly record struct FreePieces(long Most, long MostFromPage, long MostFromPmd, long MostFromPud) : IIntervalSummary<FreePieces, Present>
{
    public static FreePieces Of(in Interval<Present> piece) => new(
        piece.Length,
        BytesFrom(piece, Level.PageSize),
        BytesFrom(piece, Level.EntrySpan(Level.Pmd)),
        BytesFrom(piece, Level.EntrySpan(Level.Pud)));

    public static FreePieces Join(in FreePieces first, in FreePieces second) => new(
        Math.Max(first.Most, second.Most),
        Math.Max(first.MostFromPage, second.MostFromPage),
        Math.Max(first.MostFromPmd, second.MostFromPmd),
        Math.Max(first.MostFromPud, second.MostFromPud));

    private static long BytesFrom(in Interval<Present> piece, long alignment) => piece.End - ((piece.Start + alignment - 1) & -alignment);

    /// <summary>A free piece that has so many bytes from a multiple of an alignment on.</summary>
    public readonly record struct Fit(long Length, long Alignment) : ISummaryTest<FreePieces>
    {
        public bool Holds(in FreePieces pieces) => Length <= Alignment switch
        {
            1 => pieces.Most,
            Level.PageSize => pieces.MostFromPage,
            1L << 21 => pieces.MostFromPmd,
            1L << 30 => pieces.MostFromPud,
            _ => throw new ArgumentOutOfRangeException(nameof(pieces), Alignment, "Pieces are looked for at multiples of 1, 4 KiB, 2 MiB or 1 GiB."),
        };
    }
}
