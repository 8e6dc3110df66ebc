using System.Runtime.CompilerServices;

namespace Pando.Concurrency;

/// <summary>
/// A spin lock in one 32-bit word, for the words that stand in native memory (a frame's record) or in an array.
/// Held for short, bounded work only. Not reentrant.
/// </summary>
internal static class WordLock
{
    /// <summary>Takes the lock.</summary>
    /// <param name="word">The lock.</param>
    /// <param name="rank">Its rank.</param>
    /// <param name="which">Tells it from others of its rank, for schedule points; 0 where that is not said.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Enter(ref int word, LockRank rank, int which = 0)
    {
        LockOrder.Taking(rank);
        Schedule.Reach(SchedulePoint.LockTaking, ((long)rank << 32) | (uint)which);
        if (Interlocked.CompareExchange(ref word, 1, 0) != 0)
        {
            EnterSlow(ref word);
        }
    }

    /// <summary>Releases the lock.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Exit(ref int word, LockRank rank)
    {
        LockOrder.Released(rank);
        Volatile.Write(ref word, 0);
        Schedule.Reach(SchedulePoint.LockReleased);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void EnterSlow(ref int word)
    {
        var spin = new SpinWait();
        do
        {
            Schedule.Wait(ref spin);
        }
        while (Volatile.Read(ref word) != 0 || Interlocked.CompareExchange(ref word, 1, 0) != 0);
    }
}
