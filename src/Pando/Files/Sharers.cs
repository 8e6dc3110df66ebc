using Pando.Intervals;

namespace Pando.Files;

/// <summary>How many files lie on a piece of a device: two or more.</summary>
internal readonly record struct Sharers(int Files) : IIntervalValue<Sharers>
{
    public Sharers After(long distance) => this;
}
