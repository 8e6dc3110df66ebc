using System.Diagnostics;

namespace Pando.Linux.Proc;

/// <summary>
/// How long a scan may take. Each phase has a moment, a part of the time there is once the machine itself is known, at which it ends whatever is still unread; what one
/// phase leaves goes to the next. The last part is the analysis's and the report's. Without a bound no phase ends early. Safe for use by several threads.
/// </summary>
internal sealed class TimeBudget(TimeSpan? total)
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private long _start; // ticks
    private long _end = long.MaxValue;

    /// <summary>Time since the start.</summary>
    public TimeSpan Elapsed => _clock.Elapsed;

    /// <summary>True if the phase is over.</summary>
    public bool IsOver => _clock.Elapsed.Ticks > Volatile.Read(ref _end);

    /// <summary>What is left of the phase, but no more than <paramref name="most"/>.</summary>
    public TimeSpan Left(TimeSpan most) => TimeSpan.FromTicks(Math.Clamp(Volatile.Read(ref _end) - _clock.Elapsed.Ticks, 0, most.Ticks));

    /// <summary>Parts of the time are counted from now on.</summary>
    public void Begin() => _start = _clock.Elapsed.Ticks;

    /// <summary>Begins a phase that ends after so long, budget or none, and in any case at this part of the whole.</summary>
    public void UntilAtMost(double part, TimeSpan most)
    {
        Until(part);
        Volatile.Write(ref _end, Math.Min(Volatile.Read(ref _end), (_clock.Elapsed + most).Ticks));
    }

    /// <summary>Begins the phase that ends at this part of the whole, but not before it has had <paramref name="least"/>.</summary>
    public void Until(double part, TimeSpan least = default) =>
        Volatile.Write(ref _end, total is { } time ? Math.Max(_start + (long)(Math.Max(0, time.Ticks - _start) * part), least > TimeSpan.Zero ? (_clock.Elapsed + least).Ticks : 0) : long.MaxValue);
}
