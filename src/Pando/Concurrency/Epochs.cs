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

    public Epochs()
    {
        _stripes = Math.Max(1, Environment.ProcessorCount);
        _counters = new int[(_stripes + 1) * Generations * PaddedInts];
    }

    /// <summary>The present epoch.</summary>
    public long Current => Volatile.Read(ref _epoch);

    /// <summary>Enters the present epoch, and leaves it when the scope ends.</summary>
    public Scope Enter()
    {
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
        Schedule.Reach(SchedulePoint.EpochLeaving);
        Interlocked.Decrement(ref _counters[counter]);
    }

    /// <summary>Moves to the next epoch if nobody is left in the one before the present.</summary>
    public bool TryAdvance()
    {
        Schedule.Reach(SchedulePoint.EpochAdvance);
        long epoch = Volatile.Read(ref _epoch);
        for (int stripe = 0; stripe < _stripes; stripe++)
        {
            if (Volatile.Read(ref _counters[CounterOf(stripe, epoch - 1)]) != 0)
            {
                return false;
            }
        }

        return Interlocked.CompareExchange(ref _epoch, epoch + 1, epoch) == epoch;
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
