using System.Collections;
using Pando.Concurrency;
using Pando.Costs;

namespace Pando.Intervals;

/// <summary>
/// What stands behind an <see cref="IntervalMap{TValue}"/>, with two things more: it keeps a summary of each part of itself,
/// for <see cref="TryFind{TTest}"/>; and made with epochs it has readers that need no lock.
/// </summary>
/// <param name="epochs">
/// Where given, readers inside an epoch find the map as it was before or after each whole operation. One thread changes it at a
/// time all the same.
/// </param>
internal sealed class IntervalTree<TValue, TSummary>(Epochs? epochs) : IEnumerable<Interval<TValue>>
    where TValue : unmanaged, IIntervalValue<TValue>
    where TSummary : unmanaged, IIntervalSummary<TSummary, TValue>
{
    private readonly NativeTree<Interval<TValue>, TSummary, ByStart> _tree = new(epochs);
    private long _length;
    private long _changedLength;

    /// <summary>How many intervals there are.</summary>
    public int Count => _tree.Count;

    /// <summary>How many numbers there are in all intervals together.</summary>
    public long Length => Volatile.Read(ref _length);

    /// <summary>Finds the interval that has a number.</summary>
    public bool TryGet(long at, out Interval<TValue> interval) => TryGetNext(_tree.Root, at, out interval) && interval.Start <= at;

    /// <summary>Finds the first interval that has something from a number on: that which has the number, or the next.</summary>
    public bool TryGetNext(long from, out Interval<TValue> interval) => TryGetNext(_tree.Root, from, out interval);

    /// <summary>Finds the last interval that has something before a number.</summary>
    public bool TryGetPrevious(long before, out Interval<TValue> interval) => TryGetPrevious(_tree.Root, before, out interval);

    /// <summary>Finds the first interval of which a test holds.</summary>
    /// <param name="test">The test; it must hold of what is kept of a part exactly if it holds of an interval in it.</param>
    /// <param name="interval">The interval.</param>
    public bool TryFind<TTest>(TTest test, out Interval<TValue> interval)
        where TTest : struct, ISummaryTest<TSummary>
    {
        int node = _tree.Root;
        bool found = node != 0 && test.Holds(_tree.Summary(node));
        interval = default;
        while (found)
        {
            int left = _tree.Left(node);
            if (left != 0 && test.Holds(_tree.Summary(left)))
            {
                node = left;
                continue;
            }

            interval = _tree.Item(node);
            if (test.Holds(TSummary.Of(interval)))
            {
                break;
            }

            node = _tree.Right(node);
        }

        GC.KeepAlive(this);
        return found;
    }

    /// <summary>Whether the map says something of any number from <paramref name="start"/> up to, and without, <paramref name="end"/>.</summary>
    public bool Overlaps(long start, long end) => TryGetNext(start, out var interval) && interval.Start < end;

    /// <summary>Says something of the numbers from <paramref name="start"/> up to, and without, <paramref name="end"/>, instead of what was said of them; nothing if they are no interval.</summary>
    public void Set(long start, long end, TValue value)
    {
        if (start < end)
        {
            TakeOut(start, end);
            PutIn(new Interval<TValue>(start, end, value));
            Commit();
        }
    }

    /// <summary>Says nothing any more of the numbers from <paramref name="start"/> up to, and without, <paramref name="end"/>.</summary>
    public void Remove(long start, long end)
    {
        TakeOut(start, end);
        Commit();
    }

    /// <summary>Says nothing of any number any more.</summary>
    public void Clear()
    {
        _tree.Clear();
        _changedLength = 0;
        Commit();
    }

    /// <summary>
    /// Moves all that is said of the numbers from one on; an interval that has numbers before it is cut. Costs by what moves.
    /// </summary>
    /// <param name="from">The first number that moves.</param>
    /// <param name="distance">By how much. Downwards (negative), nothing may be said of the numbers that are moved over.</param>
    /// <exception cref="ArgumentException">Something is said of a number that would be moved over, or a number would be too large.</exception>
    public void Shift(long from, long distance)
    {
        if (TryGetPrevious(_tree.Changed, long.MaxValue, out var last)
            && ((distance > 0 && last.End > long.MaxValue - distance) || (distance < 0 && from < long.MinValue - distance)))
        {
            throw new ArgumentOutOfRangeException(nameof(distance), distance, $"Numbers from {from} to {last.End} cannot be moved so far.");
        }

        if (distance < 0 && Overlaps(from + distance, from))
        {
            throw new ArgumentException($"Something is said of numbers from {from + distance} to {from}, which a move by {distance} would lose.", nameof(distance));
        }

        if (TryGetNext(_tree.Changed, from, out var first))
        {
            if (first.Start < from)
            {
                _tree.Put(first.Slice(first.Start, from));
                _tree.Put(first.Slice(from, first.End));
            }

            _tree.Move(new Suffix(from, distance));
            if (TryGetNext(_tree.Changed, from + distance, out first) && first.Start == from + distance)
            {
                // It may continue what it has come to.
                TakeOut(first.Start, first.End);
                PutIn(first);
            }
        }

        Commit();
    }

    /// <summary>The intervals, lowest first. Each is looked up when it is asked for, so that the map may change meanwhile.</summary>
    public IEnumerator<Interval<TValue>> GetEnumerator()
    {
        for (long at = long.MinValue; TryGetNext(at, out var interval); at = interval.End)
        {
            yield return interval;
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private void Commit()
    {
        Volatile.Write(ref _length, _changedLength);
        _tree.Commit();
    }

    private void TakeOut(long start, long end)
    {
        while (start < end && TryGetNext(_tree.Changed, start, out var interval) && interval.Start < end)
        {
            Cost.Count(CostKind.Extent);
            _changedLength -= Math.Min(end, interval.End) - Math.Max(start, interval.Start);
            if (interval.Start < start)
            {
                _tree.Put(interval.Slice(interval.Start, start));
            }
            else
            {
                _tree.Remove(interval);
            }

            if (interval.End > end)
            {
                _tree.Put(interval.Slice(end, interval.End));
            }

            start = interval.End;
        }
    }

    /// <summary>Puts an interval where nothing is, and joins it to those that it continues and that continue it.</summary>
    private void PutIn(Interval<TValue> interval)
    {
        Cost.Count(CostKind.Extent);
        _changedLength += interval.Length;
        if (interval.Start > long.MinValue
            && TryGetPrevious(_tree.Changed, interval.Start, out var before)
            && before.End == interval.Start
            && before.Value.After(before.Length).Equals(interval.Value))
        {
            interval = new(before.Start, interval.End, before.Value);
        }

        if (TryGetNext(_tree.Changed, interval.End, out var after)
            && after.Start == interval.End
            && interval.Value.After(interval.Length).Equals(after.Value))
        {
            _tree.Remove(after);
            interval = interval with { End = after.End };
        }

        _tree.Put(interval);
    }

    private bool TryGetNext(int node, long from, out Interval<TValue> interval)
    {
        int found = 0;
        while (node != 0)
        {
            if (_tree.Item(node).End > from)
            {
                found = node;
                node = _tree.Left(node);
            }
            else
            {
                node = _tree.Right(node);
            }
        }

        return TryGetItem(found, out interval);
    }

    private bool TryGetPrevious(int node, long before, out Interval<TValue> interval)
    {
        int found = 0;
        while (node != 0)
        {
            if (_tree.Item(node).Start < before)
            {
                found = node;
                node = _tree.Right(node);
            }
            else
            {
                node = _tree.Left(node);
            }
        }

        return TryGetItem(found, out interval);
    }

    private bool TryGetItem(int node, out Interval<TValue> interval)
    {
        interval = node == 0 ? default : _tree.Item(node);
        GC.KeepAlive(this);
        return node != 0;
    }

    private readonly struct ByStart : ITreeOrder<Interval<TValue>, TSummary>
    {
        public static int Compare(in Interval<TValue> one, in Interval<TValue> other) => one.Start.CompareTo(other.Start);

        public static TSummary Of(in Interval<TValue> item) => TSummary.Of(item);

        public static TSummary Join(in TSummary first, in TSummary second) => TSummary.Join(first, second);
    }

    private readonly struct Suffix(long from, long distance) : ITreeMove<Interval<TValue>>
    {
        public bool Moves(in Interval<TValue> item) => item.Start >= from;

        public Interval<TValue> Moved(in Interval<TValue> item) => new(item.Start + distance, item.End + distance, item.Value);
    }
}
