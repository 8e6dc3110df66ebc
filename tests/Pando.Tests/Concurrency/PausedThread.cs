using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

/// <summary>
/// A thread that runs until it has passed a given row of schedule points and then stands still, at the last of them,
/// until it is told to go on: an interleaving made certain.
/// </summary>
internal sealed class PausedThread : IScheduleController, IDisposable
{
    private readonly Thread _thread;
    private readonly SchedulePoint[] _until;
    private readonly ManualResetEventSlim _paused = new();
    private readonly ManualResetEventSlim _goOn = new();
    private Exception? _failure;
    private int _passed;

    private PausedThread(Action body, SchedulePoint[] until)
    {
        _until = until;
        _thread = new Thread(() =>
        {
            try
            {
                body();
            }
            catch (Exception exception)
            {
                _failure = exception;
            }
            finally
            {
                _paused.Set();
            }
        });
    }

    /// <summary>Runs <paramref name="body"/> to the last of the points, each taken after the one before it.</summary>
    public static PausedThread Run(Action body, params SchedulePoint[] until)
    {
        var thread = new PausedThread(body, until);
        Schedule.Controller = thread;
        thread._thread.Start();
        thread._paused.Wait();
        Assert.Null(thread._failure);
        Assert.True(thread._passed == until.Length, "The thread ended before it came to the point.");
        return thread;
    }

    /// <summary>Lets it run to its end.</summary>
    public void Finish()
    {
        _goOn.Set();
        _thread.Join();
        Schedule.Controller = null;
        Assert.Null(_failure);
    }

    public void Reach(SchedulePoint point)
    {
        if (Thread.CurrentThread != _thread)
        {
            if (point == SchedulePoint.LockWaiting)
            {
                Thread.Yield();
            }

            return;
        }

        if (_passed < _until.Length && point == _until[_passed] && ++_passed == _until.Length)
        {
            _paused.Set();
            _goOn.Wait();
        }
    }

    public void Dispose()
    {
        Schedule.Controller = null;
        _goOn.Set();
        _thread.Join();
        _paused.Dispose();
        _goOn.Dispose();
    }
}
