using Pando.Files;

namespace Pando.Tests.Files;

public class DeviceSpaceTests
{
    private readonly DeviceSpace _space = new(1000);

    [Fact]
    public void The_lowest_piece_that_fits_is_taken_and_pieces_join_when_given_back()
    {
        Assert.True(_space.TryTake(100, 1, out long first));
        Assert.True(_space.TryTake(100, 1, out long second));
        Assert.True(_space.TryTake(100, 1, out long third));
        Assert.Equal((0, 100, 200), (first, second, third));
        _space.Give(0, 100);
        _space.Give(200, 100);
        Assert.False(_space.TryTake(801, 1, out _));
        Assert.True(_space.TryTake(150, 1, out long large));
        Assert.Equal(200, large);
        _space.Give(large, 150);
        _space.Give(100, 100);
        Assert.Equal(1000, _space.Free);
        Assert.True(_space.TryTake(1000, 1, out long all));
        Assert.Equal(0, all);
        Assert.Equal(0, _space.Free);
        Assert.False(_space.TryTake(1, 1, out _));
    }

    [Fact]
    public void An_aligned_piece_leaves_what_lies_before_it_free()
    {
        Assert.True(_space.TryTakeAt(0, 1));
        Assert.True(_space.TryTake(64, 64, out long aligned));
        Assert.Equal(64, aligned);
        Assert.True(_space.TryTake(63, 1, out long before));
        Assert.Equal(1, before);
        Assert.Equal(1000 - 128, _space.Free);
    }

    [Theory]
    [InlineData(0, 1000, true)]
    [InlineData(999, 1, true)]
    [InlineData(0, 1001, false)]
    [InlineData(1000, 1, false)]
    [InlineData(-1, 2, false)]
    [InlineData(499, 2, false)]
    [InlineData(500, 100, false)]
    [InlineData(600, 400, true)]
    [InlineData(0, 500, true)]
    public void An_exact_piece_is_taken_only_if_all_of_it_is_free(long start, long length, bool expected)
    {
        if (length < 1000)
        {
            Assert.True(_space.TryTakeAt(500, 100));
            long free = _space.Free;
            Assert.Equal(expected && (start + length <= 500 || start >= 600), _space.TryTakeAt(start, length));
            Assert.Equal(expected ? free - length : free, _space.Free);
        }
        else
        {
            Assert.Equal(expected, _space.TryTakeAt(start, length));
        }
    }

    [Fact]
    public void Threads_take_and_give_without_overlap()
    {
        var space = new DeviceSpace(64 * 64);
        int[] owners = new int[64 * 64];
        int overlaps = 0;
        var threads = Enumerable.Range(1, 4).Select(id => new Thread(() =>
        {
            for (int i = 0; i < 3000; i++)
            {
                long length = 1 + (i * id % 61);
                if (!space.TryTake(length, 1 << (i % 5), out long start))
                {
                    continue;
                }

                for (long at = start; at < start + length; at++)
                {
                    overlaps += Interlocked.CompareExchange(ref owners[at], id, 0) == 0 ? 0 : 1;
                }

                for (long at = start; at < start + length; at++)
                {
                    Volatile.Write(ref owners[at], 0);
                }

                space.Give(start, length);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.Equal(0, overlaps);
        Assert.Equal(64 * 64, space.Free);
        Assert.True(space.TryTake(64 * 64, 1, out _));
    }
}
