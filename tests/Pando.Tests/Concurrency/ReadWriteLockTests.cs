using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

public class ReadWriteLockTests
{
    private readonly ReadWriteLock _lock = new(LockRank.Space);

    [Fact]
    public void Readers_are_in_together_and_a_writer_alone()
    {
        int inside = 0, most = 0, wrong = 0;
        long sum = 0;
        var threads = Enumerable.Range(0, 4).Select(number => new Thread(() =>
        {
            for (int i = 0; i < 4000; i++)
            {
                if ((i + number) % 7 == 0)
                {
                    using var held = _lock.Write();
                    if (Volatile.Read(ref inside) != 0)
                    {
                        Interlocked.Increment(ref wrong);
                    }

                    sum++;
                }
                else
                {
                    using var held = _lock.Read();
                    int now = Interlocked.Increment(ref inside);
                    InterlockedMax(ref most, now);
                    Interlocked.Decrement(ref inside);
                }
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.Equal(0, wrong);
        Assert.Equal(Enumerable.Range(0, 4).Sum(number => Enumerable.Range(0, 4000).Count(i => (i + number) % 7 == 0)), sum);
        Assert.InRange(most, 1, 4);
    }

    private static void InterlockedMax(ref int target, int value)
    {
        int seen = Volatile.Read(ref target);
        while (seen < value && Interlocked.CompareExchange(ref target, value, seen) is var found && found != seen)
        {
            seen = found;
        }
    }
}
