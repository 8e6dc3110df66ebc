namespace Pando.Tables;

/// <summary>
/// Page tables by level, private ones and shared ones: the answer of <see cref="TableCensus"/>. Index 1 counts PTE
/// tables, 2 PMD, 3 PUD, and so on up to the root, which is never shared. Private tables are summed over all
/// spaces; a shared table counts once.
/// </summary>
public sealed record TableCounts(IReadOnlyList<long> Private, IReadOnlyList<long> Shared)
{
    /// <summary>Bytes of one table with 4 KiB granules and 8-byte entries.</summary>
    public const int TableBytes = 4096;

    /// <summary>All tables of a level.</summary>
    public long At(int level) => Private[level] + Shared[level];

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
