using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>
/// Sums that stay within what they are counted in: some ten thousand processes that each reserve all of their address space map more
/// bytes than a long holds, and a report says "4 EiB" then, not nothing.
/// </summary>
internal static class Totals
{
    // A quarter of what fits, so that a few more sums and shifts do.
    private const long Most = 1L << 61;

    /// <summary>The sum, no more and no less than four quintillions (2^61 either way).</summary>
    public static long Total<T>(this IEnumerable<T> items, Func<T, long> value) => items.Select(value).Aggregate(0L, Add);

    /// <summary>A step of the same.</summary>
    public static long Add(long sum, long value) => Math.Clamp(Math.Clamp(sum, -Most, Most) + Math.Clamp(value, -Most, Most), -Most, Most);

    /// <summary>Bytes of whole tables, by a number that may be an estimate.</summary>
    public static long Bytes(double tables) => (long)Math.Clamp(Math.Round(tables), -Most / TableCounts.TableBytes, Most / TableCounts.TableBytes) * TableCounts.TableBytes;
}
