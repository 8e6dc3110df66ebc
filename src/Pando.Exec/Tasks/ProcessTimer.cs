using System.Diagnostics;
using Pando.Exec.Signals;

namespace Pando.Exec.Tasks;

/// <summary>An interval timer of a process (setitimer(2)). Safe for threads.</summary>
/// <param name="process">The process.</param>
/// <param name="signal">What it sends.</param>
internal sealed class ProcessTimer(GuestProcess process, int signal) : IDisposable
{
    private readonly Lock _lock = new();
    private Timer? _timer;
    private long _interval;
    private long _due;

    /// <summary>Sets it.</summary>
    /// <param name="first">Microseconds to its first end; 0 stops it.</param>
    /// <param name="interval">Microseconds from end to end; 0 for one only.</param>
    /// <returns>What was set before: the interval, and microseconds left.</returns>
    internal (long Interval, long Left) Set(long first, long interval)
    {
        lock (_lock)
        {
            var before = LeftLocked();
            _interval = interval;
            _due = first == 0 ? 0 : Stopwatch.GetTimestamp() + (long)(first * (Stopwatch.Frequency / 1e6));
            if (first != 0)
            {
                _timer ??= new Timer(static timer => ((ProcessTimer)timer!).End(), this, Timeout.Infinite, Timeout.Infinite);
            }

            Arm();
            return before;
        }
    }

    /// <summary>The interval, and microseconds left.</summary>
    internal (long Interval, long Left) Left()
    {
        lock (_lock)
        {
            return LeftLocked();
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _due = 0;
            _timer?.Dispose();
            _timer = null;
        }
    }

    private (long Interval, long Left) LeftLocked() =>
        (_interval, _due == 0 ? 0 : Math.Max(1, (long)((_due - Stopwatch.GetTimestamp()) / (Stopwatch.Frequency / 1e6))));

    private void Arm()
    {
        if (_due == 0)
        {
            _ = _timer?.Change(Timeout.Infinite, Timeout.Infinite);
            return;
        }

        double milliseconds = (_due - Stopwatch.GetTimestamp()) * 1000.0 / Stopwatch.Frequency;
        _ = _timer?.Change((long)Math.Clamp(Math.Ceiling(milliseconds), 0, int.MaxValue), Timeout.Infinite);
    }

    private void End()
    {
        lock (_lock)
        {
            if (_due == 0 || _timer is null)
            {
                return;
            }

            if (Stopwatch.GetTimestamp() < _due)
            {
                Arm();
                return;
            }

            _due = _interval == 0 ? 0 : Math.Max(_due, Stopwatch.GetTimestamp() - Stopwatch.Frequency) + (long)(_interval * (Stopwatch.Frequency / 1e6));
            Arm();
        }

        _ = SignalSender.Send(process, SignalInformation.Of(signal, SignalInformation.FromKernel, 0));
    }
}
