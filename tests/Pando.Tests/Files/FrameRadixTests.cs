using Pando.Concurrency;
using Pando.Files;
using Pando.Machines;

namespace Pando.Tests.Files;

public sealed class FrameRadixTests : IDisposable
{
    private readonly Machine _machine = new(new MachineOptions { Ram = 16 << 20 });
    private readonly FrameRadix _radix;

    public FrameRadixTests() => _radix = new FrameRadix(_machine.Store);

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Words_are_made_on_demand_at_any_index_and_stay()
    {
        long[] indexes = [0, 1, 511, 512, 513, (1L << 18) - 1, 1L << 18, 1L << 27, (1L << 36) + 5, 1L << 42];
        Assert.True(_radix.Find(0).IsNone);
        for (int i = 0; i < indexes.Length; i++)
        {
            Assert.True(_radix.TryMake(indexes[i], out var cell));
            _radix.At(cell) = (ulong)(i + 1);
        }

        for (int i = 0; i < indexes.Length; i++)
        {
            Assert.Equal((ulong)(i + 1), _radix.At(_radix.Find(indexes[i])));
        }

        Assert.True(_radix.Find(1L << 43).IsNone);
        Assert.True(_radix.Find(1L << 30).IsNone);
        var seen = new List<(long, ulong)>();
        _radix.ForEach((index, word) => seen.Add((index, word)));
        Assert.Equal(indexes.Select((index, i) => (index, (ulong)(i + 1))), seen);
        var some = new CollectVisitor([]);
        _radix.ForEach(512, 1L << 18, ref some);
        Assert.Equal([512, 513, (1L << 18) - 1, 1L << 18], some.Indexes);

        int frames = _radix.FrameCount;
        Assert.Equal(frames + 1, _machine.FramesInUse);
        _radix.Free();
        Assert.Equal(0, _radix.FrameCount);
        Assert.Equal(1, _machine.FramesInUse);
    }

    [Theory]
    [InlineData(1L << 40)]
    [InlineData(5)]
    public void Out_of_memory_at_any_node_gives_back_what_was_made_and_can_be_tried_again(long other)
    {
        if (other != 5)
        {
            Assert.True(_radix.TryMake(3, out var first));
            _radix.At(first) = 33;
        }

        int before = _radix.FrameCount;
        int attempts = 0;
        bool made = false;
        while (!made)
        {
            int asked = 0;
            _machine.Store.Omissions[OmittedStep.Allocation] = () => ++asked > attempts;
            made = _radix.TryMake(other, out _);
            _machine.Store.Omissions[OmittedStep.Allocation] = null;
            _machine.Store.Retired.Collect();
            Assert.Equal(other == 5 ? default : 33UL, _radix.Find(3) is { IsNone: false } cell ? _radix.At(cell) : 0);
            Assert.True(made || _radix.FrameCount <= before + 4, "Only levels above what there is may stay.");
            Assert.Equal(_radix.FrameCount + 1, _machine.FramesInUse);
            attempts++;
        }

        Assert.InRange(attempts, 2, 12);
    }

    [Fact]
    public void A_frame_whose_last_word_is_released_is_given_back_and_so_are_those_above_it()
    {
        long[] indexes = [0, 7, 512, 1L << 18, (1L << 27) + 3, 1L << 40];
        foreach (long index in indexes.Concat(indexes.Reverse()))
        {
            Assert.True(_radix.TryMake(index, out _));
            Assert.True(_radix.TryMake(index, out var cell));
            _radix.Release(index, cell);
            Assert.Equal(cell, _radix.Find(index));
            _radix.Release(index, cell);
            Assert.True(_radix.Find(index).IsNone);
            Assert.Equal(0, _radix.FrameCount);
            _machine.Store.Retired.Collect();
            Assert.Equal(1, _machine.FramesInUse);
        }
    }

    [Fact]
    public void An_array_that_grows_while_it_is_empty_and_one_that_does_not_end_empty_alike()
    {
        Assert.True(_radix.TryMake(5, out var low));
        Assert.True(_radix.TryMake(1L << 40, out var high));
        _radix.Release(5, low);
        Assert.True(_radix.Find(5).IsNone);
        _radix.Release(1L << 40, high);
        Assert.Equal(0, _radix.FrameCount);
    }

    [Fact]
    public void Threads_that_set_and_clear_words_leave_no_frame()
    {
        int used = _machine.FramesInUse;
        long[] indexes = [.. Enumerable.Range(0, 16).Select(i => (long)i * i * i * 777)];
        using var start = new Barrier(3);
        var threads = Enumerable.Range(0, 3).Select(seed => new Thread(() =>
        {
            var random = new Random(seed);
            start.SignalAndWait();
            for (int i = 0; i < 30_000; i++)
            {
                long index = indexes[random.Next(indexes.Length)];
                using var epoch = _machine.Store.Epochs.Enter();
                if (!_radix.TryMake(index, out var cell))
                {
                    continue;
                }

                // Who sets the first bit leaves his hold to the word; who takes the last gives the word's up.
                ulong mine = 1UL << seed;
                if (Interlocked.Or(ref _radix.At(cell), mine) != 0)
                {
                    _radix.Release(index, cell);
                }

                if (Interlocked.And(ref _radix.At(cell), ~mine) == mine)
                {
                    _radix.Release(index, cell);
                }
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.Equal(0, _radix.FrameCount);
        _machine.Store.Retired.Collect();
        Assert.Equal(used, _machine.FramesInUse);
    }

    [Fact]
    public void Threads_that_make_the_same_words_get_the_same_and_leak_no_frame()
    {
        for (int round = 0; round < 50; round++)
        {
            var radix = new FrameRadix(_machine.Store);
            int used = _machine.FramesInUse;
            long[] indexes = [.. Enumerable.Range(0, 40).Select(i => (long)i * i * i * 777)];
            using var start = new Barrier(3);
            var threads = Enumerable.Range(0, 3).Select(_ => new Thread(() =>
            {
                start.SignalAndWait();
                foreach (long index in indexes)
                {
                    Assert.True(radix.TryMake(index, out var cell));
                    Interlocked.Increment(ref radix.At(cell));
                }
            })).ToList();
            threads.ForEach(thread => thread.Start());
            threads.ForEach(thread => thread.Join());
            Assert.All(indexes, index => Assert.Equal(3UL, radix.At(radix.Find(index))));
            Assert.Equal(used + radix.FrameCount, _machine.FramesInUse);
            radix.Free();
            Assert.Equal(used, _machine.FramesInUse);
        }
    }

    private readonly record struct CollectVisitor(List<long> Indexes) : FrameRadix.IVisitor
    {
        public void Visit(long index, FrameRadix.Cell cell, ulong word) => Indexes.Add(index);
    }
}
