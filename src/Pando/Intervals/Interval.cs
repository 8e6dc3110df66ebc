namespace Pando.Intervals;

/// <summary>The numbers from <paramref name="Start"/> up to, and without, <paramref name="End"/>, and what is said of them.</summary>
/// <param name="Start">The first number.</param>
/// <param name="End">The first number past the last; larger than <paramref name="Start"/>.</param>
/// <param name="Value">What is said of the number <paramref name="Start"/>, and, by <see cref="IIntervalValue{TSelf}.After"/>, of those that follow.</param>
public readonly record struct Interval<TValue>(long Start, long End, TValue Value)
    where TValue : unmanaged, IIntervalValue<TValue>
{
    /// <summary>How many numbers there are.</summary>
    public long Length => End - Start;

    /// <summary>The part of the interval between two numbers, which must leave something of it.</summary>
    public Interval<TValue> Slice(long start, long end)
    {
        long from = Math.Max(Start, start);
        return new(from, Math.Min(End, end), Value.After(from - Start));
    }

    /// <summary>What is said here, said of numbers that are further on.</summary>
    internal Interval<TValue> Moved(long distance) => new(Start + distance, End + distance, Value);
}
