using Pando.Costs;

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
    private readonly SleepLock _changes = new(LockRank.Invalidate);
    private long _sequence;

    /// <summary>Reads the sequence; waits while a change is under way, so that the result is always even.</summary>
    public long Sequence()
    {
        long sequence = Volatile.Read(ref _sequence);
        if ((sequence & 1) != 0)
        {
            sequence = WaitUntilEven();
        }

        Schedule.Reach(SchedulePoint.SequenceRead);
        return sequence;
    }

    private long WaitUntilEven()
    {
        var spin = new SpinWait();
        long sequence;
        while (!Sleep.IsDue(spin))
        {
            Schedule.Wait(ref spin);
            sequence = Volatile.Read(ref _sequence);
            if ((sequence & 1) == 0)
            {
                return sequence;
            }
        }

        // As those who change the layout wait for each other: whoever makes one change after the other lets them pass.
        using var held = Hold();
        return Volatile.Read(ref _sequence);
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

    /// <summary>Whether the layout is being changed, or kept as it is.</summary>
    public bool IsHeld => _changes.IsHeld || (Volatile.Read(ref _sequence) & 1) != 0;

    /// <summary>
    /// Begins a change of the layout, which ends with the scope. Until then no fault of the file can complete.
    /// </summary>
    public Scope Change() => new(this, _changes.Hold());

    /// <summary>
    /// Between two changes that are pieces of one: lets go on who waits for the first to end. A fault that was interrupted by
    /// several pieces takes the lock itself (<see cref="Hold"/>), and so waits here as well.
    /// </summary>
    public void LetOthersGoOn() => _changes.LetOthersPass();

    /// <summary>
    /// Keeps the layout as it is until the scope ends. Faults go on: what takes long is done here, before
    /// <see cref="Steady.ExcludeFaults"/>.
    /// </summary>
    public Steady Hold() => new(this, _changes.Hold());

    private void Begin()
    {
        Schedule.Reach(SchedulePoint.SequenceWrite);
        Interlocked.Increment(ref _sequence);
    }

    private void End()
    {
        Schedule.Reach(SchedulePoint.SequenceWrite);
        Interlocked.Increment(ref _sequence);
    }

    /// <summary>A change of the layout that is under way; it ends with the scope, however that is left.</summary>
    public readonly ref struct Scope
    {
        private readonly Exclusion _exclusion;
        private readonly SleepLock.Scope _held;

        internal Scope(InvalidateLock entered, SleepLock.Scope held)
        {
            Cost.BeginStretch();
            _held = held;
            _exclusion = new Exclusion(entered);
        }

        /// <summary>Ends the change. Called once, by <c>using</c>.</summary>
        public void Dispose()
        {
            _exclusion.Dispose();
            _held.Dispose();
            Cost.EndStretch();
        }
    }

    /// <summary>A layout that stays as it is; until the scope ends, however that is left.</summary>
    public readonly ref struct Steady
    {
        private readonly InvalidateLock _lock;
        private readonly SleepLock.Scope _held;

        internal Steady(InvalidateLock entered, SleepLock.Scope held)
        {
            Cost.BeginStretch();
            _lock = entered;
            _held = held;
        }

        /// <summary>Begins a change of the layout, which ends with the scope of the result; that ends before this one.</summary>
        public Exclusion ExcludeFaults() => new(_lock);

        /// <summary>Lets the layout change. Called once, by <c>using</c>.</summary>
        public void Dispose()
        {
            _held.Dispose();
            Cost.EndStretch();
        }
    }

    /// <summary>A time in which no fault of the file can complete.</summary>
    public readonly ref struct Exclusion
    {
        private readonly InvalidateLock _lock;

        internal Exclusion(InvalidateLock held)
        {
            _lock = held;
            held.Begin();
        }

        /// <summary>Ends the time. Called once, by <c>using</c>.</summary>
        public void Dispose() => _lock.End();
    }
}
