using System.Diagnostics;

namespace Pando.Concurrency;

/// <summary>
/// Asserts, in the checked build, that every thread takes its locks in the order of <see cref="LockRank"/>.
/// In the ordinary build the calls do not exist.
/// </summary>
internal static class LockOrder
{
    // One bit per rank that this thread holds. Ranks below the space's lock do not nest with themselves.
    [ThreadStatic]
    private static uint _held;

    [ThreadStatic]
    private static int _spacesHeld;

    /// <summary>Whether this thread holds a lock of that rank. Always true in the ordinary build.</summary>
    public static bool Holds(LockRank rank) =>
#if PANDO_CHECKED
        (_held & (1u << (int)rank)) != 0;
#else
        true;
#endif

    [Conditional("PANDO_CHECKED")]
    public static void Taking(LockRank rank)
    {
        if (rank == LockRank.None)
        {
            return;
        }

        uint held = _held;
        uint atOrAbove = ~((1u << (int)rank) - 1);
        if (rank == LockRank.Space)
        {
            // Fork holds the parent's and the new child's.
            atOrAbove <<= 1;
        }

        if ((held & atOrAbove) != 0)
        {
            throw new LockOrderException(
                $"A thread that holds {Names(held)} asked for a lock of rank {rank}; the order is that of LockRank, outermost first.");
        }

        _held = held | (1u << (int)rank);
        if (rank == LockRank.Space)
        {
            _spacesHeld++;
        }
    }

    [Conditional("PANDO_CHECKED")]
    public static void Released(LockRank rank)
    {
        if (rank == LockRank.None)
        {
            return;
        }

        if ((_held & (1u << (int)rank)) == 0)
        {
            throw new LockOrderException($"A thread released a lock of rank {rank} that it does not hold; it holds {Names(_held)}.");
        }

        if (rank == LockRank.Space && --_spacesHeld > 0)
        {
            return;
        }

        _held &= ~(1u << (int)rank);
    }

    /// <summary>Asserts that this thread holds no lock at all, as at the end of every public operation.</summary>
    [Conditional("PANDO_CHECKED")]
    public static void AssertNoneHeld()
    {
        if (_held != 0)
        {
            throw new LockOrderException($"No lock may be held here, but this thread holds {Names(_held)}.");
        }
    }

    private static string Names(uint held)
    {
        var names = new List<string>();
        for (int rank = 0; rank < 32; rank++)
        {
            if ((held & (1u << rank)) != 0)
            {
                names.Add(((LockRank)rank).ToString());
            }
        }

        return string.Join(", ", names);
    }
}
