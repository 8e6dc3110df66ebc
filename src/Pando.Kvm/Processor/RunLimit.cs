using System.Diagnostics;

namespace Pando.Kvm.Processor;

/// <summary>The time that one run may take: a timer that asks the gate to stop the vCPU when it is over.</summary>
internal sealed class RunLimit(EntryGate gate, int reason) : IDisposable
{
    private Timer? _timer;
    private long _deadline;

    /// <summary>Whether the present run's time is over. A timer that fired while an earlier run was ending asks in vain.</summary>
    internal bool IsOver => Volatile.Read(ref _deadline) is not 0 and var deadline && deadline <= Stopwatch.GetTimestamp();

    internal void Begin(TimeSpan time)
    {
        Volatile.Write(ref _deadline, Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency));
        _timer ??= new Timer(static state => ((RunLimit)state!).OnTimer(), this, Timeout.Infinite, Timeout.Infinite);
        _timer.Change((long)Math.Ceiling(time.TotalMilliseconds), Timeout.Infinite);
    }

    internal void End()
    {
        Volatile.Write(ref _deadline, 0);
        gate.WithdrawStop(reason);
    }

    public void Dispose() => _timer?.Dispose();

    // A timer of an earlier run may still fire; the deadline of the present one decides.
    private void OnTimer()
    {
        var deadline = Volatile.Read(ref _deadline);
        if (deadline == 0)
        {
            return;
        }

        var left = deadline - Stopwatch.GetTimestamp();
        if (left <= 0)
        {
            gate.RequestStop(reason);
        }
        else
        {
            _timer!.Change(Math.Max(1, left * 1000 / Stopwatch.Frequency), Timeout.Infinite);
        }
    }
}
