namespace Pando.Intervals;

/// <summary>What an <see cref="IntervalMap{TValue}"/> says that is a mere set: that the numbers are in it.</summary>
public readonly record struct Present : IIntervalValue<Present>
{
    /// <inheritdoc/>
    public Present After(long distance) => default;
}
