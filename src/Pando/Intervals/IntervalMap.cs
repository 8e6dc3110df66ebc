using System.Collections;

namespace Pando.Intervals;

/// <summary>
/// Says something of intervals of whole numbers, none over another: where the parts of a file lie, which parts of a device
/// are free. Intervals that touch, and of which the second says what the first would say if it were longer, are one.
/// </summary>
/// <remarks>
/// <para>
/// Every operation costs the logarithm of the number of intervals, for each interval that it returns, cuts or takes out. The
/// intervals stand in native memory (some 70 bytes each), which goes back with the map itself; changing the map allocates
/// no managed memory.
/// </para>
/// <para>Not safe for threads: one at a time, for reading as well.</para>
/// </remarks>
/// <typeparam name="TValue">What is said of each interval.</typeparam>
public class IntervalMap<TValue> : IEnumerable<Interval<TValue>>
    where TValue : unmanaged, IIntervalValue<TValue>
{
    private readonly IntervalTree<TValue, NoSummary<TValue>> _tree = new(null);

    /// <summary>How many intervals there are.</summary>
    public int Count => _tree.Count;

    /// <summary>How many numbers there are in all intervals together.</summary>
    public long Length => _tree.Length;

    /// <summary>Finds the interval that has a number.</summary>
    public bool TryGet(long at, out Interval<TValue> interval) => _tree.TryGet(at, out interval);

    /// <summary>Finds the first interval that has something from a number on: that which has the number, or the next.</summary>
    public bool TryGetNext(long from, out Interval<TValue> interval) => _tree.TryGetNext(from, out interval);

    /// <summary>Finds the last interval that has something before a number.</summary>
    public bool TryGetPrevious(long before, out Interval<TValue> interval) => _tree.TryGetPrevious(before, out interval);

    /// <summary>Whether something is said of any number from <paramref name="start"/> up to, and without, <paramref name="end"/>.</summary>
    public bool Overlaps(long start, long end) => _tree.Overlaps(start, end);

    /// <summary>
    /// Says something of the numbers from <paramref name="start"/> up to, and without, <paramref name="end"/>, instead of what was
    /// said of them; nothing happens if they are no interval.
    /// </summary>
    public void Set(long start, long end, TValue value) => _tree.Set(start, end, value);

    /// <summary>Says nothing any more of the numbers from <paramref name="start"/> up to, and without, <paramref name="end"/>.</summary>
    public void Remove(long start, long end) => _tree.Remove(start, end);

    /// <summary>Says nothing of any number any more.</summary>
    public void Clear() => _tree.Clear();

    /// <summary>
    /// Moves all that is said of the numbers from one on; an interval that has numbers before it is cut. However much moves, it costs
    /// the logarithm of the intervals.
    /// </summary>
    /// <param name="from">The first number that moves.</param>
    /// <param name="distance">By how much; downwards where it is negative.</param>
    /// <exception cref="ArgumentException">Something is said of a number that would be moved over, or a number would be too large.</exception>
    public void Shift(long from, long distance) => _tree.Shift(from, distance);

    /// <summary>The intervals, lowest first. Each is looked up when it is asked for, so that the map may change meanwhile.</summary>
    public IEnumerator<Interval<TValue>> GetEnumerator() => _tree.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
