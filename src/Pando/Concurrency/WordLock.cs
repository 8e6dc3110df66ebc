using System.Runtime.CompilerServices;

namespace Pando.Concurrency;

/// <summary>
/// A spin lock in one 32-bit word, for the words that stand in native memory (a frame's record) or in an array.
/// Held for short, bounded work only: what can wait for storage, for user code or for a long walk takes a
/// <see cref="SleepLock"/>. Not reentrant.
/// </summary>
internal static class WordLock
{
    /// <summary>Takes the lock until the scope ends.</summary>
    /// <param name="word">The lock.</param>
    /// <param name="rank">Its rank.</param>
    /// <param name="which">Tells it from others of its rank, for schedule points; 0 where that is not said.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scope Hold(ref int word, LockRank rank, int which = 0)
    {
        LockOrder.Taking(rank);
        Schedule.Reach(SchedulePoint.LockTaking, ((long)rank << 32) | (uint)which);
        if (Interlocked.CompareExchange(ref word, 1, 0) != 0)
        {
            WaitAndTake(ref word);
        }

        return new Scope(ref word, rank);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void WaitAndTake(ref int word)
    {
        var spin = new SpinWait();
        do
        {
            Schedule.Wait(ref spin);
        }
        while (Volatile.Read(ref word) != 0 || Interlocked.CompareExchange(ref word, 1, 0) != 0);
    }

    /// <summary>The lock, held; released when the scope ends.</summary>
    public readonly ref struct Scope
    {
        private readonly ref int _word;
        private readonly LockRank _rank;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal Scope(ref int word, LockRank rank)
        {
            _word = ref word;
            _rank = rank;
        }

        /// <summary>Releases the lock. Called once, by <c>using</c>.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose()
        {
            LockOrder.Released(_rank);
            Volatile.Write(ref _word, 0);
            Schedule.Reach(SchedulePoint.LockReleased);
        }
    }
}
