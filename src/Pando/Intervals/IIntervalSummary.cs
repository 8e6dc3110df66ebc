namespace Pando.Intervals;

/// <summary>
/// What an <see cref="IntervalTree{TValue, TSummary}"/> keeps of each part of itself, so that the first interval of a kind
/// is found without looking at those before it: say, the length of the longest.
/// </summary>
internal interface IIntervalSummary<TSelf, TValue>
    where TSelf : unmanaged, IIntervalSummary<TSelf, TValue>
    where TValue : unmanaged, IIntervalValue<TValue>
{
    /// <summary>What is kept of one interval.</summary>
    static abstract TSelf Of(in Interval<TValue> interval);

    /// <summary>What is kept of two parts of which the first comes before the second.</summary>
    static abstract TSelf Join(in TSelf first, in TSelf second);
}
