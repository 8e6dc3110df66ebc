using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

public class EpochsTests
{
    private readonly Epochs _epochs = new();

    [Fact]
    public void The_epoch_moves_at_once_while_nobody_is_inside()
    {
        long first = _epochs.Current;
        Assert.True(_epochs.TryAdvance());
        Assert.True(_epochs.TryAdvance());
        Assert.Equal(first + 2, _epochs.Current);
        Assert.True(_epochs.IsOver(first));
        Assert.False(_epochs.IsOver(first + 1));
    }

    [Fact]
    public void Who_is_inside_lets_the_epoch_move_once_and_no_further()
    {
        long retired = _epochs.Current;
        var token = _epochs.Enter();
        Assert.True(_epochs.TryAdvance());
        for (int i = 0; i < 10; i++)
        {
            Assert.False(_epochs.TryAdvance());
        }

        Assert.False(_epochs.IsOver(retired));
        token.Dispose();
        Assert.True(_epochs.TryAdvance());
        Assert.True(_epochs.IsOver(retired));
    }

    [Fact]
    public void Who_enters_later_does_not_hold_what_was_retired_before()
    {
        long retired = _epochs.Current;
        Assert.True(_epochs.TryAdvance());
        var later = _epochs.Enter();
        Assert.True(_epochs.TryAdvance());
        Assert.True(_epochs.IsOver(retired));
        Assert.False(_epochs.TryAdvance());
        later.Dispose();
    }

    [Fact]
    public void Epochs_nest()
    {
        var outer = _epochs.Enter();
        _epochs.TryAdvance();
        var inner = _epochs.Enter();
        inner.Dispose();
        Assert.False(_epochs.TryAdvance());
        outer.Dispose();
        Assert.True(_epochs.TryAdvance());
    }

    [Fact]
    public void No_thread_inside_ever_sees_what_is_over()
    {
        // Writers retire a number and, when its epoch is over, poison it; readers must never meet poison inside.
        int[] values = new int[64];
        int current = 0;
        int poisoned = 0;
        bool stop = false;
        var readers = Enumerable.Range(0, 3).Select(_ => new Thread(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                var token = _epochs.Enter();
                int seen = Volatile.Read(ref current);
                for (int i = 0; i < 20; i++)
                {
                    if (Volatile.Read(ref values[seen]) != 0)
                    {
                        Interlocked.Increment(ref poisoned);
                    }
                }

                token.Dispose();
            }
        })).ToList();
        readers.ForEach(reader => reader.Start());
        for (int i = 1; i <= 3000; i++)
        {
            int old = current;
            Interlocked.Exchange(ref current, i % values.Length);
            long retired = _epochs.Current;
            while (!_epochs.IsOver(retired))
            {
                if (!_epochs.TryAdvance())
                {
                    Thread.Yield();
                }
            }

            Volatile.Write(ref values[old], 1);
            Thread.SpinWait(5);
            Volatile.Write(ref values[old], 0);
        }

        Volatile.Write(ref stop, true);
        readers.ForEach(reader => reader.Join());
        Assert.Equal(0, poisoned);
    }
}
