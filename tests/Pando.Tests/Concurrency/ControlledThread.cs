using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

/// <summary>
/// A thread that runs bodies, one after the other, and passes every schedule point on to an <see cref="IThreadOrder"/>.
/// It runs only while it has the turn: it waits for it before each body, and wherever the order lets it wait.
/// </summary>
internal sealed class ControlledThread : IScheduleController, IDisposable
{
    // A turn that comes back soon is worth a short wait without the host's scheduler; on a busy host it is not.
    private const int Spins = 30;

    private readonly Thread _thread;
    private readonly SemaphoreSlim _asleep = new(0);
    private IThreadOrder? _order;
    private Action? _body;

    // 0: no turn; 1: has the turn; -1: no turn, and sleeps.
    private int _turn;

    public ControlledThread(int number)
    {
        Number = number;
        _thread = new Thread(Run) { IsBackground = true, Name = $"Controlled {Name}" };
        _thread.Start();
    }

    /// <summary>Its number among those that run together.</summary>
    public int Number { get; }

    /// <summary>The letter that stands for it in a schedule.</summary>
    public char Name => (char)('A' + Number);

    /// <summary>What its last body ended with, or null.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Gives it a body, which begins when it gets the turn.</summary>
    public void Prepare(IThreadOrder order, Action body)
    {
        Failure = null;
        _order = order;
        _body = body;
    }

    /// <summary>Gives it the turn. The caller, if it is such a thread, waits for its own or ends.</summary>
    public void GiveTurn()
    {
        if (Interlocked.Exchange(ref _turn, 1) < 0)
        {
            _asleep.Release();
        }
    }

    /// <summary>Waits for the turn. Called on the thread itself.</summary>
    public void AwaitTurn()
    {
        for (int i = 0; i < Spins && Volatile.Read(ref _turn) == 0; i++)
        {
            Thread.SpinWait(20);
        }

        if (Interlocked.CompareExchange(ref _turn, -1, 0) == 0)
        {
            _asleep.Wait();
        }

        Volatile.Write(ref _turn, 0);
    }

    /// <summary>Ends the thread, which has no body under way, and waits until it has ended.</summary>
    public void Dispose()
    {
        _body = null;
        GiveTurn();
        _thread.Join();
        _asleep.Dispose();
    }

    public void Reach(SchedulePoint point, long what) => _order!.Reached(this, point, what);

    public bool LeavesOut(ProtocolPart part) => _order!.LeavesOut(part);

    private void Run()
    {
        while (true)
        {
            AwaitTurn();
            if (_body is not { } body)
            {
                return;
            }

            Schedule.Controller = this;
            try
            {
                body();
            }
            catch (Exception exception)
            {
                Failure = exception;
            }

            Schedule.Controller = null;
            _order!.Ended(this);
        }
    }
}
