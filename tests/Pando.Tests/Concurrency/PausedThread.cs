using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

/// <summary>
/// A thread that runs until it has passed a given row of schedule points and then stands still, at the last of them,
/// until it is told to go on: one interleaving made certain. Other threads run freely.
/// </summary>
internal sealed class PausedThread : IThreadOrder, IDisposable
{
    private readonly ControlledThread _thread = new(0);
    private readonly SchedulePoint[] _until;
    private readonly ManualResetEventSlim _stopped = new();
    private int _passed;
    private bool _ended;

    private PausedThread(SchedulePoint[] until) => _until = until;

    /// <summary>Runs <paramref name="body"/> to the last of the points, each taken after the one before it.</summary>
    public static PausedThread Run(Action body, params SchedulePoint[] until)
    {
        var paused = new PausedThread(until);
        paused._thread.Prepare(paused, body);
        paused._thread.GiveTurn();
        paused._stopped.Wait();
        Assert.Null(paused._thread.Failure);
        Assert.False(paused._ended, "The thread ended before it came to the point.");
        return paused;
    }

    /// <summary>Lets it run to its end.</summary>
    public void Finish()
    {
        GoOn();
        Assert.Null(_thread.Failure);
    }

    public void Reached(ControlledThread thread, SchedulePoint point, long what)
    {
        if (_passed < _until.Length && point == _until[_passed] && ++_passed == _until.Length)
        {
            _stopped.Set();
            thread.AwaitTurn();
        }
        else if (point == SchedulePoint.LockWaiting)
        {
            Thread.Yield();
        }
    }

    public void Ended(ControlledThread thread)
    {
        Volatile.Write(ref _ended, true);
        _stopped.Set();
    }

    public void Dispose()
    {
        GoOn();
        _thread.Dispose();
        _stopped.Dispose();
    }

    private void GoOn()
    {
        if (!_ended)
        {
            _stopped.Reset();
            _thread.GiveTurn();
            _stopped.Wait();
        }
    }
}
