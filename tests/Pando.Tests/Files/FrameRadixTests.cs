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
        _radix.ForEach(0, long.MaxValue >> 12, (index, word) => seen.Add((index, word)));
        Assert.Equal(indexes.Select((index, i) => (index, (ulong)(i + 1))), seen);
        seen.Clear();
        _radix.ForEach(512, 1L << 18, (index, word) => seen.Add((index, word)));
        Assert.Equal([512, 513, (1L << 18) - 1, 1L << 18], seen.Select(pair => pair.Item1));

        int frames = _radix.FrameCount;
        Assert.Equal(frames + 1, _machine.FramesInUse);
        _radix.Free();
        Assert.Equal(0, _radix.FrameCount);
        Assert.Equal(1, _machine.FramesInUse);
    }

    [Fact]
    public void Out_of_memory_at_any_node_leaves_what_there_is_and_can_be_tried_again()
    {
        Assert.True(_radix.TryMake(3, out var first));
        _radix.At(first) = 33;
        int attempts = 0;
        bool made = false;
        while (!made)
        {
            // Everything is refused after the first few: each attempt gets one node further than the one before it.
            int asked = 0;
            _machine.Store.Frames.FailNext = () => ++asked > 1;
            made = _radix.TryMake(1L << 40, out _);
            _machine.Store.Frames.FailNext = null;
            Assert.Equal(33UL, _radix.At(_radix.Find(3)));
            Assert.Equal(_radix.FrameCount + 1, _machine.FramesInUse);
            attempts++;
        }

        Assert.InRange(attempts, 5, 12);
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
}
