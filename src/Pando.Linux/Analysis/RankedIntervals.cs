using System.Runtime.InteropServices;
using Pando.Intervals;

namespace Pando.Linux.Analysis;

/// <summary>
/// A set of whole numbers as sorted intervals that do not touch, made once and asked often: how many of its numbers lie in a range, and
/// which is the one with a given rank. A question costs the logarithm of the number of intervals.
/// </summary>
internal sealed class RankedIntervals
{
    private readonly (long First, long End)[] _intervals;
    private readonly long[] _before; // numbers in the intervals before each

    private RankedIntervals((long First, long End)[] intervals)
    {
        _intervals = intervals;
        _before = new long[intervals.Length];
        for (var i = 0; i < intervals.Length; i++)
        {
            _before[i] = Count;
            Count += intervals[i].End - intervals[i].First;
        }
    }

    /// <summary>The intervals, lowest first.</summary>
    public IReadOnlyList<(long First, long End)> Intervals => _intervals;

    /// <summary>How many numbers the set has.</summary>
    public long Count { get; }

    /// <summary>The set of all numbers in some intervals, given in any order.</summary>
    public static RankedIntervals Of(IEnumerable<(long First, long End)> intervals)
    {
        var sorted = intervals.Where(i => i.First < i.End).ToArray();
        Array.Sort(sorted);
        var kept = new List<(long First, long End)>(sorted.Length);
        foreach (var interval in sorted)
        {
            if (kept.Count > 0 && interval.First <= kept[^1].End)
            {
                CollectionsMarshal.AsSpan(kept)[^1].End = Math.Max(kept[^1].End, interval.End);
            }
            else
            {
                kept.Add(interval);
            }
        }

        return new RankedIntervals([.. kept]);
    }

    /// <summary>The numbers of a set.</summary>
    public static RankedIntervals Of(IntervalSet set) => new([.. set.Select(i => (i.Start, i.End))]);

    /// <summary>How many numbers of [first, end) are in the set.</summary>
    public long CountIn(long first, long end) => first >= end ? 0 : CountBelow(end) - CountBelow(first);

    /// <summary>How many numbers of the set are below a number.</summary>
    public long CountBelow(long number)
    {
        var i = LastBelow(number);
        return i < 0 ? 0 : _before[i] + Math.Min(number, _intervals[i].End) - _intervals[i].First;
    }

    /// <summary>The number of the set with so many of the set below it.</summary>
    public long At(long rank)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)rank, (ulong)Count, nameof(rank));
        var i = Array.BinarySearch(_before, rank);
        i = i < 0 ? ~i - 1 : i;
        return _intervals[i].First + rank - _before[i];
    }

    /// <summary>The index of the last interval that begins below the number, or -1.</summary>
    private int LastBelow(long number)
    {
        var (low, high) = (0, _intervals.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = _intervals[middle].First < number ? (middle + 1, high) : (low, middle);
        }

        return low - 1;
    }
}
