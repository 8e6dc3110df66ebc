using System.Diagnostics;

namespace Pando.Kvm.Engine;

/// <summary>While it lives, gets every vCPU out that has been in its spaces for longer than a slice, again and again.</summary>
/// <remarks>One thread for all vCPUs: a timer for each entry would cost more than most entries.</remarks>
internal sealed class RunTicker : IDisposable
{
    private readonly KvmMachine _machine;
    private readonly TimeSpan _slice;
    private readonly Func<bool>? _isNeeded;
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread _thread;

    /// <summary>Begins.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="slice">How long a vCPU stays in.</param>
    /// <param name="isNeeded">Whether somebody waits for one, asked each time; null for always.</param>
    internal RunTicker(KvmMachine machine, TimeSpan slice, Func<bool>? isNeeded = null)
    {
        _machine = machine;
        _slice = slice;
        _isNeeded = isNeeded;
        _thread = new Thread(Tick) { IsBackground = true, Name = "vCPU slices" };
        _thread.Start();
    }

    public void Dispose()
    {
        _stop.Set();
        _thread.Join();
        _stop.Dispose();
    }

    private void Tick()
    {
        var period = TimeSpan.FromMilliseconds(Math.Clamp(_slice.TotalMilliseconds / 2, 1, 50));
        while (!_stop.Wait(period))
        {
            if (_isNeeded is not null && !_isNeeded())
            {
                continue;
            }

            foreach (var processor in _machine.Processors)
            {
                long since = processor.Since;
                if (since != 0 && Stopwatch.GetElapsedTime(since) > _slice)
                {
                    processor.Cpu.Stop();
                }
            }
        }
    }
}
