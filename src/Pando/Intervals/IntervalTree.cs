using System.Collections;
using Pando.Concurrency;
using Pando.Costs;

namespace Pando.Intervals;

/// <summary>
/// What stands behind an <see cref="IntervalMap{TValue}"/>, with three things more: it keeps a summary of each part of itself,
/// for <see cref="TryFind{TTest}(TTest, out Interval{TValue})"/>; made with epochs it has readers that need no lock; and with a watcher
/// each interval has a number by which it is found.
/// </summary>
/// <param name="epochs">
/// Where given, readers inside an epoch find the map as it was before or after each whole operation. One thread changes it at a
/// time all the same.
/// </param>
/// <param name="watcher">Where given, it is told which intervals there are, and by which numbers.</param>
internal sealed class IntervalTree<TValue, TSummary>(Epochs? epochs, IItemWatcher<Interval<TValue>>? watcher = null) : IEnumerable<Interval<TValue>>
    where TValue : unmanaged, IIntervalValue<TValue>
    where TSummary : unmanaged, IIntervalSummary<TSummary, TValue>
{
    /// <summary>How many intervals are dropped at a time.</summary>
    public const int MostDropped = 64;

    private readonly NativeTree<Interval<TValue>, TSummary, ByStart> _tree = new(epochs, watcher);
    private long _length;
    private long _changedLength;

    /// <summary>How many intervals there are; those of a <see cref="Part"/> count until they are dropped.</summary>
    public int Count => _tree.Count;

    /// <summary>How many numbers there are in all intervals together; those of a <see cref="Part"/> count until they are dropped.</summary>
    public long Length => Volatile.Read(ref _length);

    /// <summary>Intervals for which there is memory; for tests.</summary>
    internal int NodeCount => _tree.NodeCount;

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
        long moved = 0;
        bool found = node != 0 && test.Holds(_tree.Summary(node));
        interval = default;
        while (found)
        {
            int left = _tree.Left(node);
            long movedBelow = moved + _tree.Distance(node);
            if (left != 0 && test.Holds(_tree.Summary(left)))
            {
                node = left;
                moved = movedBelow;
                continue;
            }

            interval = _tree.Item(node);
            if (test.Holds(TSummary.Of(interval)))
            {
                interval = interval.Moved(moved);
                break;
            }

            node = _tree.Right(node);
            moved = movedBelow;
        }

        GC.KeepAlive(this);
        return found;
    }

    /// <summary>
    /// Finds an interval by the number that the watcher was told, for the thread that changes the map; false where it is in a
    /// <see cref="Part"/>. Costs the logarithm.
    /// </summary>
    public bool TryGetNumbered(int number, out Interval<TValue> interval) => _tree.TryGet(number, out interval);

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

    /// <summary>Says nothing of any number any more. Looks at every interval.</summary>
    public void Clear()
    {
        Cost.Count(CostKind.Extent, Count);
        _tree.Clear();
        _changedLength = 0;
        Commit();
    }

    /// <summary>
    /// Moves all that is said of the numbers from one on; an interval that has numbers before it is cut. However much moves, it
    /// costs the logarithm of the intervals. What is kept of parts must be the same wherever they are.
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

        SplitAt(from);
        var rest = _tree.CutFrom(new Interval<TValue>(from, from, default));
        _tree.Append(_tree.Move(rest, distance));
        JoinAt(from + distance);
        Commit();
    }

    /// <summary>
    /// Says nothing any more of the numbers from <paramref name="start"/> up to, and without, <paramref name="end"/>, but keeps what was
    /// said of them until <see cref="Drop"/>. However many intervals there are, it costs the logarithm.
    /// </summary>
    public Part CutOut(long start, long end)
    {
        var part = start < end ? TakeOutWhole(start, end) : default;
        Commit();
        return part;
    }

    /// <summary>Adds an interval to a part that is to be put in. Nothing of the part is over it or comes after it.</summary>
    public Part Append(Part part, Interval<TValue> interval)
    {
        Cost.Count(CostKind.Extent);
        if (TryGetPrevious(part.Nodes.Root, interval.Start, out var before) && Continues(before, interval))
        {
            interval = new(before.Start, interval.End, before.Value);
            _changedLength -= before.Length;
        }

        _changedLength += interval.Length;
        part = new(_tree.Put(part.Nodes, interval));
        Commit();
        return part;
    }

    /// <summary>
    /// Says what a part says of the numbers from <paramref name="start"/> up to, and without, <paramref name="end"/>, where everything of
    /// the part lies, and nothing else of them. However many intervals there are, it costs the logarithm.
    /// </summary>
    /// <returns>What was said of them, to be given to <see cref="Drop"/>.</returns>
    public Part Replace(long start, long end, Part part)
    {
        if (start >= end)
        {
            return default;
        }

        var before = TakeOutWhole(start, end);
        var rest = _tree.CutFrom(new Interval<TValue>(start, start, default));
        _tree.Append(part.Nodes);
        _tree.Append(rest);
        JoinAt(start);
        JoinAt(end);
        Commit();
        return before;
    }

    /// <summary>The first interval of a part that was cut out and not dropped, that has something from a number on. Needs no lock.</summary>
    public bool TryGetNext(Part part, long from, out Interval<TValue> interval) => TryGetNext(part.Nodes.Root, from, out interval);

    /// <summary>
    /// Gives up the memory of some intervals of a part that was cut out, at most <see cref="MostDropped"/> at a time. Needs none itself.
    /// </summary>
    /// <returns>Whether any may be left.</returns>
    public bool Drop(ref Part part)
    {
        Span<Interval<TValue>> dropped = stackalloc Interval<TValue>[MostDropped];
        var nodes = part.Nodes;
        dropped = dropped[.._tree.Drop(ref nodes, dropped)];
        part = new(nodes);
        Cost.Count(CostKind.Extent, dropped.Length);
        foreach (var interval in dropped)
        {
            _changedLength -= interval.Length;
        }

        Commit();
        return !part.IsNone;
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

    private Part TakeOutWhole(long start, long end)
    {
        SplitAt(start);
        SplitAt(end);
        var rest = _tree.CutFrom(new Interval<TValue>(end, end, default));
        var part = _tree.CutFrom(new Interval<TValue>(start, start, default));
        _tree.Append(rest);
        return new(part);
    }

    /// <summary>Cuts the interval in two that has a number and begins before it.</summary>
    private void SplitAt(long at)
    {
        if (TryGetPrevious(_tree.Changed, at, out var interval) && interval.End > at)
        {
            Cost.Count(CostKind.Extent);
            _tree.Put(interval.Slice(interval.Start, at));
            _tree.Put(interval.Slice(at, interval.End));
        }
    }

    /// <summary>Joins the intervals that touch at a number, if they are one.</summary>
    private void JoinAt(long at)
    {
        if (TryGetPrevious(_tree.Changed, at, out var before) && TryGetNext(_tree.Changed, at, out var after) && Continues(before, after))
        {
            Cost.Count(CostKind.Extent);
            _tree.Remove(after);
            _tree.Put(before with { End = after.End });
        }
    }

    private static bool Continues(in Interval<TValue> before, in Interval<TValue> after) =>
        before.End == after.Start && before.Value.After(before.Length).Equals(after.Value);

    /// <summary>Puts an interval where nothing is, and joins it to those that it continues and that continue it.</summary>
    private void PutIn(Interval<TValue> interval)
    {
        Cost.Count(CostKind.Extent);
        _changedLength += interval.Length;
        if (interval.Start > long.MinValue
            && TryGetPrevious(_tree.Changed, interval.Start, out var before)
            && Continues(before, interval))
        {
            interval = new(before.Start, interval.End, before.Value);
        }

        if (TryGetNext(_tree.Changed, interval.End, out var after) && Continues(interval, after))
        {
            _tree.Remove(after);
            interval = interval with { End = after.End };
        }

        _tree.Put(interval);
    }

    private bool TryGetNext(int node, long from, out Interval<TValue> interval)
    {
        int found = 0;
        long foundMoved = 0;
        long moved = 0;
        while (node != 0)
        {
            long movedBelow = moved + _tree.Distance(node);
            if (_tree.Item(node).End + moved > from)
            {
                found = node;
                foundMoved = moved;
                node = _tree.Left(node);
            }
            else
            {
                node = _tree.Right(node);
            }

            moved = movedBelow;
        }

        return TryGetItem(found, foundMoved, out interval);
    }

    private bool TryGetPrevious(int node, long before, out Interval<TValue> interval)
    {
        int found = 0;
        long foundMoved = 0;
        long moved = 0;
        while (node != 0)
        {
            long movedBelow = moved + _tree.Distance(node);
            if (_tree.Item(node).Start + moved < before)
            {
                found = node;
                foundMoved = moved;
                node = _tree.Right(node);
            }
            else
            {
                node = _tree.Left(node);
            }

            moved = movedBelow;
        }

        return TryGetItem(found, foundMoved, out interval);
    }

    private bool TryGetItem(int node, long moved, out Interval<TValue> interval)
    {
        interval = node == 0 ? default : _tree.Item(node).Moved(moved);
        GC.KeepAlive(this);
        return node != 0;
    }

    internal readonly struct ByStart : ITreeOrder<Interval<TValue>, TSummary>
    {
        public static int Compare(in Interval<TValue> one, in Interval<TValue> other) => one.Start.CompareTo(other.Start);

        public static TSummary Of(in Interval<TValue> item) => TSummary.Of(item);

        public static Interval<TValue> Moved(in Interval<TValue> item, long distance) => item.Moved(distance);

        public static TSummary Join(in TSummary first, in TSummary second) => TSummary.Join(first, second);
    }

    /// <summary>Intervals that are not in the map: cut out of it, or to be put in. The default is none.</summary>
    public readonly struct Part
    {
        internal Part(NativeTree<Interval<TValue>, TSummary, ByStart>.Subtree nodes) => Nodes = nodes;

        internal NativeTree<Interval<TValue>, TSummary, ByStart>.Subtree Nodes { get; }

        /// <summary>Whether there is no interval.</summary>
        public bool IsNone => Nodes.Root == 0;
    }
}
