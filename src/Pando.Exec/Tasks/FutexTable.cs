using Pando.Exec.Memory;
using Pando.Exec.Native;
using Pando.Hardware;

namespace Pando.Exec.Tasks;

/// <summary>Who waits at which futex (futex(2)). Safe for threads.</summary>
/// <remarks>
/// A private futex is a place in memory that one process has; a shared one a place in a file, wherever it is mapped. Buckets are
/// locked while the word is compared, so that no wake-up between the comparison and the wait is lost.
/// </remarks>
internal sealed class FutexTable(UserMemory memory)
{
    private const int Buckets = 256;

    private readonly Bucket[] _buckets = [.. Enumerable.Range(0, Buckets).Select(static _ => new Bucket())];

    /// <summary>Waits until it is woken, if a word has a value.</summary>
    /// <returns>0 when woken; EAGAIN, EFAULT, ETIMEDOUT; or that a signal came.</returns>
    internal long Wait(GuestTask task, ulong address, bool isPrivate, uint expected, uint bits, long deadline)
    {
        var space = task.Process.Memory;
        if (KeyOf(space, address, isPrivate) is not { } key)
        {
            return -Error.EFAULT;
        }

        var waiter = new Waiter(task.Parker, bits) { Key = key };
        var bucket = BucketOf(key);
        lock (bucket)
        {
            if (!memory.TryRead(space.Space, address, out uint value))
            {
                return -Error.EFAULT;
            }

            if (value != expected)
            {
                return -Error.EAGAIN;
            }

            bucket.Waiters.Add(waiter);
        }

        bool inTime = true;
        while (!waiter.IsWoken && inTime && !task.MustLook)
        {
            inTime = task.Parker.Wait(deadline);
        }

        return Leave(waiter) ? 0 : inTime ? -Error.RestartSystemCall : -Error.ETIMEDOUT;
    }

    /// <summary>Wakes those who wait at a futex.</summary>
    /// <returns>How many; EFAULT.</returns>
    internal long Wake(MemoryContext space, ulong address, bool isPrivate, int most, uint bits)
    {
        if (KeyOf(space, address, isPrivate) is not { } key)
        {
            return -Error.EFAULT;
        }

        var bucket = BucketOf(key);
        lock (bucket)
        {
            return WakeIn(bucket, key, most, bits);
        }
    }

    /// <summary>Wakes some and has others wait at another futex.</summary>
    /// <param name="space">The caller's memory.</param>
    /// <param name="from">The futex.</param>
    /// <param name="to">The other.</param>
    /// <param name="isPrivate">Whether both are private.</param>
    /// <param name="wake">How many to wake.</param>
    /// <param name="move">How many to move.</param>
    /// <param name="expected">What the word must be; null where that is not asked.</param>
    /// <returns>How many were woken, and with a value expected also those moved; EAGAIN, EFAULT.</returns>
    internal long Requeue(MemoryContext space, ulong from, ulong to, bool isPrivate, int wake, int move, uint? expected)
    {
        if (KeyOf(space, from, isPrivate) is not { } source || KeyOf(space, to, isPrivate) is not { } target)
        {
            return -Error.EFAULT;
        }

        var first = BucketOf(source);
        var second = BucketOf(target);
        bool inOrder = Array.IndexOf(_buckets, first) <= Array.IndexOf(_buckets, second);
        lock (inOrder ? first : second)
        {
            lock (inOrder ? second : first)
            {
                if (expected is { } value)
                {
                    if (!memory.TryRead(space.Space, from, out uint seen))
                    {
                        return -Error.EFAULT;
                    }

                    if (seen != value)
                    {
                        return -Error.EAGAIN;
                    }
                }

                long woken = WakeIn(first, source, wake, uint.MaxValue);
                long moved = 0;
                for (int i = 0; i < first.Waiters.Count && moved < move; i++)
                {
                    var waiter = first.Waiters[i];
                    if (waiter.Key == source)
                    {
                        first.Waiters.RemoveAt(i--);
                        waiter.Key = target;
                        second.Waiters.Add(waiter);
                        moved++;
                    }
                }

                return woken + (expected is null ? 0 : moved);
            }
        }
    }

    private static long WakeIn(Bucket bucket, FutexKey key, int most, uint bits)
    {
        long woken = 0;
        for (int i = 0; i < bucket.Waiters.Count && woken < most; i++)
        {
            var waiter = bucket.Waiters[i];
            if (waiter.Key == key && (waiter.Bits & bits) != 0)
            {
                bucket.Waiters.RemoveAt(i--);
                waiter.IsWoken = true;
                waiter.Parker.Wake();
                woken++;
            }
        }

        return woken;
    }

    /// <summary>Takes a waiter out; whether it had been woken. It may stand at another futex by now.</summary>
    private bool Leave(Waiter waiter)
    {
        while (true)
        {
            var key = waiter.Key;
            var bucket = BucketOf(key);
            lock (bucket)
            {
                if (waiter.IsWoken)
                {
                    return true;
                }

                if (waiter.Key == key)
                {
                    bucket.Waiters.Remove(waiter);
                    return false;
                }
            }
        }
    }

    private static FutexKey? KeyOf(MemoryContext space, ulong address, bool isPrivate)
    {
        if ((address & 3) != 0 || address >= space.Space.UserEnd.Value)
        {
            return null;
        }

        if (!isPrivate && space.Space.AreaAt(new VirtualAddress(address)) is { Shared: true, File: { } file } area)
        {
            return new FutexKey(file, (ulong)(area.Offset + (long)(address - area.Range.Start.Value)));
        }

        return new FutexKey(space, address);
    }

    private Bucket BucketOf(FutexKey key) => _buckets[(uint)key.GetHashCode() % Buckets];

    private readonly record struct FutexKey(object Owner, ulong Place);

    private sealed class Bucket
    {
        internal List<Waiter> Waiters { get; } = [];
    }

    private sealed class Waiter(Parker parker, uint bits)
    {
        internal Parker Parker { get; } = parker;

        internal uint Bits { get; } = bits;

        internal FutexKey Key { get; set; }

        internal bool IsWoken { get; set; }
    }
}
