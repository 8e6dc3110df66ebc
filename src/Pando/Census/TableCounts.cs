namespace Pando.Census;

/// <summary>
/// Page tables by level, private ones and shared ones: the answer of <see cref="TableCensus"/>. Index 1 counts PTE
/// tables, 2 PMD, 3 PUD, and so on up to the root, which is never shared. Private tables are summed over all
/// spaces; a shared table counts once.
/// </summary>
public sealed record TableCounts
{
    /// <summary>Makes counts of as many levels for one as for the other.</summary>
    /// <param name="privateTables">Private tables; index = level, 0 unused.</param>
    /// <param name="sharedTables">Shared ones in the same way.</param>
    /// <exception cref="ArgumentException">They are of different levels, or negative.</exception>
    public TableCounts(IReadOnlyList<long> privateTables, IReadOnlyList<long> sharedTables)
    {
        ArgumentNullException.ThrowIfNull(privateTables);
        ArgumentNullException.ThrowIfNull(sharedTables);
        if (privateTables.Count != sharedTables.Count || privateTables.Concat(sharedTables).Any(count => count < 0))
        {
            throw new ArgumentException("Counts are not negative, and of as many levels of shared tables as of private ones.", nameof(sharedTables));
        }

        (Private, Shared) = (privateTables, sharedTables);
    }

    /// <summary>Private tables, of all spaces; index = level, 0 unused.</summary>
    public IReadOnlyList<long> Private { get; }

    /// <summary>Shared tables in the same way.</summary>
    public IReadOnlyList<long> Shared { get; }

    /// <summary>Bytes of one table with 4 KiB granules and 8-byte entries.</summary>
    public const int TableBytes = 4096;

    /// <summary>All tables of a level.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such level.</exception>
    public long At(int level)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(level);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(level, Private.Count);
        return Private[level] + Shared[level];
    }

    /// <summary>All private tables below the root.</summary>
    public long PrivateBelowRoot => Sum(Private);

    /// <summary>All shared tables.</summary>
    public long SharedBelowRoot => Sum(Shared);

    /// <summary>All tables below the root: what Linux counts as VmPTE (the root is not in it).</summary>
    public long BelowRoot => PrivateBelowRoot + SharedBelowRoot;

    /// <summary>Bytes of all tables below the root.</summary>
    public long BytesBelowRoot => BelowRoot * TableBytes;

    private static long Sum(IReadOnlyList<long> counts)
    {
        long sum = 0;
        for (var level = 1; level < counts.Count - 1; level++)
        {
            sum += counts[level];
        }

        return sum;
    }
}
