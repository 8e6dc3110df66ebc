namespace Pando.Concurrency;

/// <summary>
/// Protects one file's layout: its size and where its bytes lie. Whoever changes the layout holds it; a fault does
/// not, so that faults of ten thousand processes share no written cache line. Instead a fault reads
/// <see cref="Sequence"/> first and checks it again with <see cref="IsCurrent"/> under the lock of the table into
/// which it is about to put a leaf.
/// </summary>
/// <remarks>
/// The order makes it safe. A change of the layout (1) makes the sequence odd, (2) changes the layout, (3) takes the
/// lock of every table that may show the range and removes the leaves, (4) flushes, (5) makes the sequence even. If
/// a fault's check precedes step 1, its leaf is in the table before step 3 takes that table's lock, and is removed;
/// if it comes after, the check fails and the fault begins again. (The same idea as the sequence count with which
/// Linux's mmu_notifier users retry; Documentation/mm/mmu_notifier.rst.)
/// </remarks>
internal sealed class InvalidateLock
{
    private int _word;
    private long _sequence;

    /// <summary>Reads the sequence; waits while a change is under way, so that the result is always even.</summary>
    public long Sequence()
    {
        long sequence = Volatile.Read(ref _sequence);
        if ((sequence & 1) != 0)
        {
            var spin = new SpinWait();
            do
            {
                Schedule.Wait(ref spin);
                sequence = Volatile.Read(ref _sequence);
            }
            while ((sequence & 1) != 0);
        }

        Schedule.Reach(SchedulePoint.SequenceRead);
        return sequence;
    }

    /// <summary>Reads the sequence without waiting, for those who hold the lock of a table; false while a change is under way.</summary>
    public bool TryReadSequence(out long sequence)
    {
        sequence = Volatile.Read(ref _sequence);
        Schedule.Reach(SchedulePoint.SequenceRead);
        return (sequence & 1) == 0 || Schedule.LeavesOut(ProtocolPart.SequenceCheck);
    }

    /// <summary>Whether no change of the layout has begun since <paramref name="sequence"/> was read.</summary>
    public bool IsCurrent(long sequence)
    {
        Schedule.Reach(SchedulePoint.SequenceRead);
        return Volatile.Read(ref _sequence) == sequence || Schedule.LeavesOut(ProtocolPart.SequenceCheck);
    }

    /// <summary>Begins a change of the layout. From here on no fault of the file can complete.</summary>
    public void Enter()
    {
        WordLock.Enter(ref _word, LockRank.Invalidate);
        Schedule.Reach(SchedulePoint.SequenceWrite);
        Interlocked.Increment(ref _sequence);
    }

    /// <summary>Ends the change.</summary>
    public void Exit()
    {
        Schedule.Reach(SchedulePoint.SequenceWrite);
        Interlocked.Increment(ref _sequence);
        WordLock.Exit(ref _word, LockRank.Invalidate);
    }
}
