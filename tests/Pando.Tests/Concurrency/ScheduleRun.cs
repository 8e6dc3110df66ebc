using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

/// <summary>
/// One run of a scenario's threads under one schedule: exactly one of them runs at any time, and at every schedule
/// point a choice decides which goes on.
/// </summary>
/// <remarks>
/// <para>
/// Whoever comes to a point decides, and gives the turn to the chosen thread directly. A thread that waits for a lock
/// cannot be chosen until another has released one. If nobody can, that is a deadlock; if there are too many steps, a
/// livelock. What fails ends the schedule: every other thread is ended where it stands.
/// </para>
/// <para>
/// Scans of whole tables would make most steps. From the ninth entry on that a thread reads in a row, reads are no
/// steps: between two of them nobody else runs.
/// </para>
/// </remarks>
internal sealed class ScheduleRun : IThreadOrder, IDisposable
{
    private const int LongestScan = 8;
    private const int MostSteps = 20_000;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly ControlledThread[] _threads;
    private readonly IScheduleChoice _choice;
    private readonly SemaphoreSlim _done = new(0);
    private readonly SchedulePoint?[] _points;
    private readonly int[] _reads;
    private readonly uint _all;
    private ProtocolPart? _leftOut;
    private uint _waiting;
    private uint _ended;
    private int _running;
    private int _passed;
    private ulong _hash = 14695981039346656037;
    private volatile bool _abandoned;

    private ScheduleRun(ControlledThread[] threads, IScheduleChoice choice, List<ScheduleStep> steps)
    {
        _threads = threads;
        _choice = choice;
        Steps = steps;
        _points = new SchedulePoint?[threads.Length];
        _reads = new int[threads.Length];
        _all = (1u << threads.Length) - 1;
    }

    /// <summary>The decisions, in order.</summary>
    public List<ScheduleStep> Steps { get; }

    /// <summary>What went wrong while the threads ran, or null.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Where the threads stood that had not ended when something went wrong.</summary>
    public string Standing { get; private set; } = "";

    /// <summary>Runs a scenario's threads to their ends, or to the first failure.</summary>
    /// <param name="threads">As many threads as the scenario has. Where the run has failed they are not to be used again.</param>
    /// <param name="scenario">What they do.</param>
    /// <param name="choice">Who goes on.</param>
    /// <param name="steps">An empty list for the steps.</param>
    public static ScheduleRun Run(ControlledThread[] threads, Scenario scenario, IScheduleChoice choice, List<ScheduleStep> steps)
    {
        var run = new ScheduleRun(threads, choice, steps) { _leftOut = scenario.LeftOut };
        for (int i = 0; i < threads.Length; i++)
        {
            var body = scenario.Threads[i];
            threads[i].Prepare(run, () =>
            {
                run.ThrowIfAbandoned();
                body();
            });
        }

        threads[run.Decide(0, null, 0)].GiveTurn();
        if (!run._done.Wait(Patience))
        {
            throw new InvalidOperationException(
                $"Thread {threads[run._running].Name} has come to no schedule point for {Patience.TotalMinutes} minutes, after {run._points[run._running]}: it loops, or waits for something that the schedule does not see.");
        }

        if (run.Failure is not null)
        {
            run.Standing = string.Concat(threads.Select(run.Stands));
        }

        return run;
    }

    public void Dispose() => _done.Dispose();

    public void Reached(ControlledThread thread, SchedulePoint point, long what)
    {
        ThrowIfAbandoned();
        int number = thread.Number;
        _reads[number] = point == SchedulePoint.EntryRead ? _reads[number] + 1 : 0;
        if (_reads[number] > LongestScan)
        {
            Steps[^1] = Steps[^1] with { Scanned = what >> 9 };
            return;
        }

        _points[number] = point;
        if (point == SchedulePoint.LockWaiting)
        {
            _waiting |= 1u << number;
        }
        else if (point is SchedulePoint.LockReleased or SchedulePoint.EpochLeft)
        {
            _waiting = 0;
        }

        if (++_passed > MostSteps)
        {
            Abandon(new InvalidOperationException($"Livelock: {MostSteps:N0} steps, and the threads have not ended."));
        }

        int next = Decide(number, point, what);
        if (next < 0)
        {
            Abandon(new InvalidOperationException("Deadlock: every thread that has not ended waits for a lock."));
        }

        if (next != number)
        {
            _threads[next].GiveTurn();
            thread.AwaitTurn();
            ThrowIfAbandoned();
        }

        _running = number;
    }

    public bool LeavesOut(ProtocolPart part) => part == _leftOut;

    public void Ended(ControlledThread thread)
    {
        _ended |= 1u << thread.Number;
        if (thread.Failure is { } failure && !_abandoned)
        {
            Failure = failure;
            _abandoned = true;
        }

        if (_ended == _all)
        {
            _done.Release();
            return;
        }

        int next = -1;
        if (!_abandoned)
        {
            try
            {
                next = Decide(thread.Number, null, 0);
                Failure = next < 0 ? new InvalidOperationException("Deadlock: every thread that has not ended waits for a lock.") : null;
            }
            catch (ScheduleAbandonedException)
            {
                // Said already.
            }
        }

        if (next < 0)
        {
            _abandoned = true;
            next = Lowest(_all & ~_ended);
        }

        _threads[next].GiveTurn();
    }

    private int Decide(int current, SchedulePoint? point, long what)
    {
        uint runnable = _all & ~_ended & ~_waiting;
        if (runnable == 0)
        {
            return -1;
        }

        // The same thread while it can; else the next one in turn.
        int usual = current;
        while ((runnable & (1u << usual)) == 0)
        {
            usual = (usual + 1) % _threads.Length;
        }

        var step = new ScheduleStep(current, point, what, 0, runnable, usual, usual, _hash);
        int chosen;
        try
        {
            chosen = _choice.Choose(Steps.Count, step);
        }
        catch (ScheduleChangedException changed)
        {
            Abandon(changed);
            throw;
        }

        Steps.Add(step with { Chosen = chosen });
        _hash = ((((_hash ^ (uint)current) * 1099511628211) ^ (ulong)((int?)point + 2 ?? 1)) * 1099511628211) ^ (uint)chosen;
        return chosen;
    }

    private void Abandon(Exception failure)
    {
        Failure = failure;
        _abandoned = true;
        throw new ScheduleAbandonedException();
    }

    private void ThrowIfAbandoned()
    {
        if (_abandoned)
        {
            throw new ScheduleAbandonedException();
        }
    }

    private string Stands(ControlledThread thread)
    {
        string where = _points[thread.Number] is { } point ? $"at {point}" : "before its beginning";
        if (thread.Failure is null)
        {
            return $"  {thread.Name} has ended.{Environment.NewLine}";
        }

        var frames = (thread.Failure.StackTrace ?? "").Split(Environment.NewLine)
            .Where(line => line.Contains(" Pando.", StringComparison.Ordinal) && !line.Contains("Tests.Concurrency.", StringComparison.Ordinal) && !line.Contains("Concurrency.Schedule.", StringComparison.Ordinal))
            .Take(8);
        return string.Join(Environment.NewLine, frames.Prepend($"  {thread.Name} {where}")) + Environment.NewLine;
    }

    private static int Lowest(uint bits) => System.Numerics.BitOperations.TrailingZeroCount(bits);
}
