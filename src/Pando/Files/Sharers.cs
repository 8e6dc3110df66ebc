using Pando.Intervals;

namespace Pando.Files;

/// <summary>How many files lie on a piece of a device, and how many of them have left it but for what a crash brings back.</summary>
internal readonly record struct Sharers(int Files, int Leaving) : IIntervalValue<Sharers>
{
    /// <summary>One file, which has not left.</summary>
    public static Sharers One => new(1, 0);

    public Sharers After(long distance) => this;
}
