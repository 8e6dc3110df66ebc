namespace Pando.Concurrency;

/// <summary>
/// A readers-writer lock. A waiting writer keeps new readers out, so that faults cannot starve an unmap. Who has to wait
/// spins a moment and then sleeps: the holder may be about to wait for storage. Not reentrant.
/// </summary>
/// <param name="rank">The lock's place in the order of locks.</param>
internal sealed class ReadWriteLock(LockRank rank)
{
    private const int WriterHolds = int.MinValue;
    private const int WriterWaits = 1 << 30;
    private const int Sleepers = 1 << 29;

    private readonly LockRank _rank = rank;

    // Readers in the low bits; WriterHolds while a writer is in; WriterWaits while one waits; Sleepers while somebody who
    // waits may be asleep on this object's monitor, and must be woken by whoever lets the next one in.
    private int _state;

    /// <summary>Enters as one of many readers, until the scope ends.</summary>
    public ReadScope Read()
    {
        Begin();
        int state = Volatile.Read(ref _state);
        if ((state & (WriterHolds | WriterWaits)) != 0 || Interlocked.CompareExchange(ref _state, state + 1, state) != state)
        {
            Wait(writes: false);
        }

        return new ReadScope(this);
    }

    /// <summary>Enters alone, until the scope ends.</summary>
    public WriteScope Write()
    {
        Begin();
        if (Interlocked.CompareExchange(ref _state, WriterHolds, 0) != 0)
        {
            Wait(writes: true);
        }

        return new WriteScope(this);
    }

    private void Begin()
    {
        LockOrder.Taking(_rank);
        Schedule.Reach(SchedulePoint.LockTaking, (long)_rank << 32);
    }

    private void Wait(bool writes)
    {
        var spin = new SpinWait();
        while (!Sleep.IsDue(spin))
        {
            if (TryEnter(writes, out _))
            {
                return;
            }

            Schedule.Wait(ref spin);
        }

        lock (this)
        {
            while (true)
            {
                if (TryEnter(writes, out int state))
                {
                    return;
                }

                // Whoever changes the state between the look and this step makes it fail; whoever does so later sees the mark.
                if (Interlocked.CompareExchange(ref _state, state | Sleepers, state) == state)
                {
                    Monitor.Wait(this);
                }
            }
        }
    }

    /// <param name="writes">Whether to enter alone.</param>
    /// <param name="state">Where it failed: a state in which the lock could not be had.</param>
    private bool TryEnter(bool writes, out int state)
    {
        while (true)
        {
            state = Volatile.Read(ref _state);
            if (!writes)
            {
                if ((state & (WriterHolds | WriterWaits)) != 0)
                {
                    return false;
                }

                if (Interlocked.CompareExchange(ref _state, state + 1, state) == state)
                {
                    return true;
                }
            }
            else if ((state & ~(WriterWaits | Sleepers)) == 0)
            {
                // This clears the mark for all writers who wait; they set it again.
                if (Interlocked.CompareExchange(ref _state, WriterHolds | (state & Sleepers), state) == state)
                {
                    return true;
                }
            }
            else if ((state & (WriterHolds | WriterWaits)) != 0 || Interlocked.CompareExchange(ref _state, state | WriterWaits, state) == state)
            {
                state |= (state & WriterHolds) == 0 ? WriterWaits : 0;
                return false;
            }
        }
    }

    private void LeaveRead()
    {
        LockOrder.Released(_rank);
        int left = Interlocked.Decrement(ref _state);
        if ((left & ~WriterWaits) == Sleepers)
        {
            Wake();
        }

        Schedule.Reach(SchedulePoint.LockReleased);
    }

    private void LeaveWrite()
    {
        LockOrder.Released(_rank);
        if ((Interlocked.Exchange(ref _state, 0) & Sleepers) != 0)
        {
            lock (this)
            {
                Monitor.PulseAll(this);
            }
        }

        Schedule.Reach(SchedulePoint.LockReleased);
    }

    private void Wake()
    {
        lock (this)
        {
            Interlocked.And(ref _state, ~Sleepers);
            Monitor.PulseAll(this);
        }
    }

    /// <summary>The lock, held as a reader; left when the scope ends.</summary>
    public readonly ref struct ReadScope
    {
        private readonly ReadWriteLock _lock;

        internal ReadScope(ReadWriteLock held) => _lock = held;

        /// <summary>Leaves. Called once, by <c>using</c>.</summary>
        public void Dispose() => _lock.LeaveRead();
    }

    /// <summary>The lock, held alone; left when the scope ends.</summary>
    public readonly ref struct WriteScope
    {
        private readonly ReadWriteLock _lock;

        internal WriteScope(ReadWriteLock held) => _lock = held;

        /// <summary>Leaves. Called once, by <c>using</c>.</summary>
        public void Dispose() => _lock.LeaveWrite();
    }
}
