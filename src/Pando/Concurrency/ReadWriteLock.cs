namespace Pando.Concurrency;

/// <summary>
/// A readers-writer lock in one word, small enough for ten thousand address spaces. A waiting writer keeps new
/// readers out, so that faults cannot starve an unmap. Not reentrant.
/// </summary>
internal struct ReadWriteLock
{
    private const int WriterHolds = int.MinValue;
    private const int WriterWaits = 1 << 30;

    // Readers in the low bits; WriterWaits while a writer waits; WriterHolds while one is in.
    private int _state;

    /// <summary>Enters as one of many readers.</summary>
    public void EnterRead(LockRank rank)
    {
        LockOrder.Taking(rank);
        Schedule.Reach(SchedulePoint.LockTaking, (long)rank << 32);
        var spin = new SpinWait();
        while (true)
        {
            int state = Volatile.Read(ref _state);
            if ((state & (WriterHolds | WriterWaits)) == 0
                && Interlocked.CompareExchange(ref _state, state + 1, state) == state)
            {
                return;
            }

            Schedule.Wait(ref spin);
        }
    }

    /// <summary>Leaves as a reader.</summary>
    public void ExitRead(LockRank rank)
    {
        LockOrder.Released(rank);
        Interlocked.Decrement(ref _state);
        Schedule.Reach(SchedulePoint.LockReleased);
    }

    /// <summary>Enters alone.</summary>
    public void EnterWrite(LockRank rank)
    {
        LockOrder.Taking(rank);
        Schedule.Reach(SchedulePoint.LockTaking, (long)rank << 32);
        var spin = new SpinWait();
        while (true)
        {
            int state = Volatile.Read(ref _state);
            if ((state & ~WriterWaits) == 0)
            {
                // The last step of a waiting writer clears the mark for all who wait; they set it again.
                if (Interlocked.CompareExchange(ref _state, WriterHolds, state) == state)
                {
                    return;
                }
            }
            else if ((state & (WriterHolds | WriterWaits)) == 0)
            {
                Interlocked.CompareExchange(ref _state, state | WriterWaits, state);
            }

            Schedule.Wait(ref spin);
        }
    }

    /// <summary>Leaves after having been alone.</summary>
    public void ExitWrite(LockRank rank)
    {
        LockOrder.Released(rank);
        Volatile.Write(ref _state, 0);
        Schedule.Reach(SchedulePoint.LockReleased);
    }
}
