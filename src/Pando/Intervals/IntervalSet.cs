namespace Pando.Intervals;

/// <summary>A set of whole numbers, kept as intervals that neither overlap nor touch. Costs and thread safety are those of <see cref="IntervalMap{TValue}"/>.</summary>
public sealed class IntervalSet : IntervalMap<Present>
{
    /// <summary>Adds the numbers from <paramref name="start"/> up to, and without, <paramref name="end"/>; none if they are no interval.</summary>
    public void Add(long start, long end) => Set(start, end, default);
}
