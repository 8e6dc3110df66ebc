namespace Pando.Intervals;

/// <summary>Nothing is kept of the parts of an interval tree.</summary>
internal readonly struct NoSummary<TValue> : IIntervalSummary<NoSummary<TValue>, TValue>
    where TValue : unmanaged, IIntervalValue<TValue>
{
    public static NoSummary<TValue> Of(in Interval<TValue> interval) => default;

    public static NoSummary<TValue> Join(in NoSummary<TValue> first, in NoSummary<TValue> second) => default;
}
