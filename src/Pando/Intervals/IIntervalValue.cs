namespace Pando.Intervals;

/// <summary>What an <see cref="IntervalMap{TValue}"/> says of an interval.</summary>
/// <typeparam name="TSelf">The type itself. Two values are equal if they say the same of an interval that begins at the same number.</typeparam>
public interface IIntervalValue<TSelf> : IEquatable<TSelf>
    where TSelf : unmanaged, IIntervalValue<TSelf>
{
    /// <summary>
    /// What is said of the part of the interval that begins further on: the value itself where it is the same
    /// everywhere, another where it goes with the position (where a part of a file lies).
    /// </summary>
    /// <param name="distance">By how much; may be negative, for the interval that this one would continue.</param>
    TSelf After(long distance);
}
