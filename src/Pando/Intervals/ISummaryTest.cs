namespace Pando.Intervals;

/// <summary>What an interval is looked for by in an <see cref="IntervalTree{TValue, TSummary}"/>.</summary>
internal interface ISummaryTest<TSummary>
{
    /// <summary>Whether an interval that is looked for is among those that the summary stands for; of a single interval, whether it is one.</summary>
    bool Holds(in TSummary summary);
}
