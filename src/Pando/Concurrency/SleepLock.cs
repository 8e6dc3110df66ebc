namespace Pando.Concurrency;

/// <summary>
/// A lock for work that may take long: a walk over many tables, a call of storage, a list of any length. Who finds it
/// taken spins a moment and then sleeps, so that a holder that waits for a device costs no processor. Not reentrant.
/// </summary>
/// <remarks>
/// One word that is free, held, or held with sleepers, as in U. Drepper, "Futexes Are Tricky" (2011), section 6; the
/// object's monitor stands in for the futex. The uncontended way is one atomic step each to take and to release.
/// </remarks>
/// <param name="rank">The lock's place in the order of locks.</param>
internal sealed class SleepLock(LockRank rank)
{
    private const int Free = 0;
    private const int Held = 1;
    private const int HeldWithSleepers = 2;

    private readonly LockRank _rank = rank;
    private int _state;

    // Threads that found it taken and wait for it, and how often one of those has taken it.
    private int _waiting;
    private long _passed;

    /// <summary>Whether anybody holds it.</summary>
    public bool IsHeld => Volatile.Read(ref _state) != Free;

    /// <summary>Whether anybody has found it taken and waits for it.</summary>
    public bool IsWaitedFor => Volatile.Read(ref _waiting) != 0;

    /// <summary>Takes the lock until the scope ends.</summary>
    public Scope Hold()
    {
        LockOrder.Taking(_rank);
        Schedule.Reach(SchedulePoint.LockTaking, (long)_rank << 32);
        if (Interlocked.CompareExchange(ref _state, Held, Free) != Free)
        {
            WaitAndTake();
        }

        return new Scope(this);
    }

    /// <summary>
    /// Lets one of those who wait for the lock take it before the caller does. For who releases it and takes it again, over and
    /// over: it would be quicker than anybody who has to wake up first.
    /// </summary>
    public void LetOthersPass()
    {
        long passed = Volatile.Read(ref _passed);
        var spin = new SpinWait();
        while (IsWaitedFor && Volatile.Read(ref _passed) == passed)
        {
            Schedule.Wait(ref spin, sleeps: false);
        }
    }

    private void WaitAndTake()
    {
        Interlocked.Increment(ref _waiting);
        WaitUntilTaken();
        Interlocked.Increment(ref _passed);
        Interlocked.Decrement(ref _waiting);
    }

    private void WaitUntilTaken()
    {
        var spin = new SpinWait();
        while (!Sleep.IsDue(spin))
        {
            Schedule.Wait(ref spin);
            if (Volatile.Read(ref _state) == Free && Interlocked.CompareExchange(ref _state, Held, Free) == Free)
            {
                return;
            }
        }

        lock (this)
        {
            // From here on it counts as taken with sleepers, so that its release wakes the next, if there is one.
            while (Interlocked.Exchange(ref _state, HeldWithSleepers) != Free)
            {
                Monitor.Wait(this);
            }
        }
    }

    private void Release()
    {
        LockOrder.Released(_rank);
        if (Interlocked.Exchange(ref _state, Free) == HeldWithSleepers)
        {
            lock (this)
            {
                Monitor.Pulse(this);
            }
        }

        Schedule.Reach(SchedulePoint.LockReleased);
    }

    /// <summary>The lock, held; released when the scope ends.</summary>
    public readonly ref struct Scope
    {
        private readonly SleepLock _lock;

        internal Scope(SleepLock held) => _lock = held;

        /// <summary>Releases the lock. Called once, by <c>using</c>.</summary>
        public void Dispose() => _lock.Release();
    }
}
