using System.Diagnostics;

namespace Pando.Costs;

/// <summary>
/// Counts the steps of an operation, for tests that check how its cost grows with what is there. Each thread counts its
/// own. In the ordinary build the calls do not exist.
/// </summary>
internal static class Cost
{
    [ThreadStatic]
    private static long[]? _counts;

    [ThreadStatic]
    private static long _extentsBefore;

    [ThreadStatic]
    private static long _mostExtents;

    [ThreadStatic]
    private static long _entriesBefore;

    [ThreadStatic]
    private static long _mostEntries;

    /// <summary>Counts steps of a kind, where a test has begun to count on this thread.</summary>
    [Conditional("PANDO_CHECKED")]
    public static void Count(CostKind kind, long steps = 1)
    {
        if (_counts is { } counts)
        {
            counts[(int)kind] += steps;
        }
    }

    /// <summary>From here on this thread keeps others from going on, until <see cref="EndStretch"/>.</summary>
    [Conditional("PANDO_CHECKED")]
    public static void BeginStretch()
    {
        _extentsBefore = _counts?[(int)CostKind.Extent] ?? 0;
        _entriesBefore = _counts?[(int)CostKind.Entry] ?? 0;
    }

    /// <summary>Others can go on.</summary>
    [Conditional("PANDO_CHECKED")]
    public static void EndStretch()
    {
        if (_counts is { } counts)
        {
            _mostExtents = Math.Max(_mostExtents, counts[(int)CostKind.Extent] - _extentsBefore);
            _mostEntries = Math.Max(_mostEntries, counts[(int)CostKind.Entry] - _entriesBefore);
        }
    }

    /// <summary>The most extents that this thread has dealt with in one stretch since <see cref="Begin"/>.</summary>
    public static long MostExtentsInStretch => _mostExtents;

    /// <summary>The most entries of tables that it has read in one.</summary>
    public static long MostEntriesInStretch => _mostEntries;

    /// <summary>Begins to count on this thread, from zero.</summary>
    public static void Begin()
    {
        _counts = new long[Enum.GetValues<CostKind>().Length];
        _mostExtents = 0;
        _mostEntries = 0;
    }

    /// <summary>Ends counting on this thread.</summary>
    /// <returns>The steps of each kind since <see cref="Begin"/>; all zero in the ordinary build.</returns>
    public static long[] End()
    {
        long[] counts = _counts ?? throw new InvalidOperationException("Nothing is being counted on this thread.");
        _counts = null;
        return counts;
    }
}
