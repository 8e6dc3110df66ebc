using System.Diagnostics;

namespace Pando.Concurrency;

/// <summary>
/// Epoch-based reclamation: a thread that walks tables without locks does so inside an epoch, and what was removed
/// from the tables is reused only when every thread that might still see it has left.
/// </summary>
/// <remarks>
/// Fraser's scheme (Practical lock-freedom, 2004, section 5.2.3) with counters in place of registered threads: a
/// reader counts itself into the present epoch on the stripe of its processor and then checks that the epoch has
/// not moved. The epoch moves from e to e+1 when nobody is counted in e-1; what was retired in e may be reused
/// from e+2 on. All members are safe for threads.
/// </remarks>
internal sealed class Epochs
{
    private const int Generations = 3;
    private const int PaddedInts = 32; // 128 bytes: a pair of cache lines, so that stripes do not share one.

    private readonly int[] _counters;
    private readonly int _stripes;
    private long _epoch = Generations;

#if PANDO_CHECKED
    // How many epochs the thread is in, of whatever machine.
    [ThreadStatic]
    private static int _stays;
#endif

    public Epochs()
    {
        _stripes = Math.Max(1, Environment.ProcessorCount);
        _counters = new int[(_stripes + 1) * Generations * PaddedInts];
    }

    /// <summary>The present epoch.</summary>
    public long Current => Volatile.Read(ref _epoch);

    /// <summary>Asserts that this thread is in no epoch, before it waits for something that may take long.</summary>
    [Conditional("PANDO_CHECKED")]
    public static void AssertOutside()
    {
#if PANDO_CHECKED
        if (_stays != 0)
        {
            throw new LockOrderException($"Nobody waits inside an epoch, but this thread is in {_stays}.");
        }
#endif
    }

    /// <summary>Asserts that this thread is in an epoch, before it looks at what others may give back.</summary>
    [Conditional("PANDO_CHECKED")]
    public static void AssertInside()
    {
#if PANDO_CHECKED
        if (_stays == 0)
        {
            throw new LockOrderException("Who looks at what may be given back meanwhile is inside an epoch, but this thread is in none.");
        }
#endif
    }

    /// <summary>Enters the present epoch, and leaves it when the scope ends.</summary>
    public Scope Enter()
    {
        Stay(1);
        if (Schedule.LeavesOut(ProtocolPart.Epoch))
        {
            // The first counter is nobody's.
            Interlocked.Increment(ref _counters[0]);
            return new Scope(this, 0);
        }

        int stripe = Schedule.Stripe(_stripes);
        while (true)
        {
            long epoch = Volatile.Read(ref _epoch);
            int counter = CounterOf(stripe, epoch);
            Interlocked.Increment(ref _counters[counter]);
            if (Volatile.Read(ref _epoch) == epoch)
            {
                Schedule.Reach(SchedulePoint.EpochEntered);
                return new Scope(this, counter);
            }

            Interlocked.Decrement(ref _counters[counter]);
        }
    }

    private void Leave(int counter)
    {
        Stay(-1);
        Schedule.Reach(SchedulePoint.EpochLeaving);
        Interlocked.Decrement(ref _counters[counter]);
        Schedule.Reach(SchedulePoint.EpochLeft);
    }

    [Conditional("PANDO_CHECKED")]
    private static void Stay(int change)
    {
#if PANDO_CHECKED
        _stays += change;
#endif
    }

    /// <summary>Moves to the next epoch if nobody is left in the one before the present.</summary>
    public bool TryAdvance()
    {
        Schedule.Reach(SchedulePoint.EpochAdvance);
        long epoch = Volatile.Read(ref _epoch);
        return !IsSomebodyIn(epoch - 1) && Interlocked.CompareExchange(ref _epoch, epoch + 1, epoch) == epoch;
    }

    /// <summary>Whether somebody who is in the epoch before the present keeps it from moving on, at this moment.</summary>
    public bool IsHeldUp => IsSomebodyIn(Volatile.Read(ref _epoch) - 1);

    private bool IsSomebodyIn(long epoch)
    {
        for (int stripe = 0; stripe < _stripes; stripe++)
        {
            if (Volatile.Read(ref _counters[CounterOf(stripe, epoch)]) != 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether what was retired in <paramref name="epoch"/> can be seen by nobody any more.</summary>
    public bool IsOver(long epoch) => Volatile.Read(ref _epoch) >= epoch + 2;

    private static int CounterOf(int stripe, long epoch) =>
        ((stripe + 1) * Generations * PaddedInts) + ((int)(epoch % Generations) * PaddedInts);

    /// <summary>A stay in an epoch; it is left when the scope ends.</summary>
    public readonly ref struct Scope
    {
        private readonly Epochs _epochs;
        private readonly int _counter;

        internal Scope(Epochs epochs, int counter)
        {
            _epochs = epochs;
            _counter = counter;
        }

        /// <summary>Leaves the epoch. Called once, by <c>using</c>.</summary>
        public void Dispose() => _epochs.Leave(_counter);
    }
}
