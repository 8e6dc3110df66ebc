using System.Diagnostics;

namespace Pando.Exec.Tasks;

/// <summary>Where a task's thread waits for something that this process makes happen: a futex, a child, a signal, a moment.</summary>
/// <remarks>
/// A wake-up that comes before the wait is not lost: the next wait returns at once. So who waits looks at what it waits for, waits,
/// and looks again; it may be woken for nothing.
/// </remarks>
internal sealed class Parker
{
    private readonly object _gate = new();
    private bool _permit;

    /// <summary>Lets the thread go on. Any thread.</summary>
    internal void Wake()
    {
        lock (_gate)
        {
            _permit = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Waits for a wake-up.</summary>
    /// <param name="deadline">The stopwatch's time stamp at which to give up; <see cref="long.MaxValue"/> for never.</param>
    /// <returns>False where the time is over.</returns>
    internal bool Wait(long deadline = long.MaxValue)
    {
        lock (_gate)
        {
            while (!_permit)
            {
                int milliseconds = Timeout.Infinite;
                if (deadline != long.MaxValue)
                {
                    long left = deadline - Stopwatch.GetTimestamp();
                    if (left <= 0)
                    {
                        return false;
                    }

                    // Rounded up: it does not return before the time.
                    milliseconds = (int)Math.Min(Math.Ceiling(left * 1000.0 / Stopwatch.Frequency), int.MaxValue);
                }

                _ = Monitor.Wait(_gate, milliseconds);
            }

            _permit = false;
            return true;
        }
    }
}
