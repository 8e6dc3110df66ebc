using Pando.Files;

namespace Pando.Tests.Files;

public class DeviceSpaceTests
{
    private readonly DeviceSpace _space = new(1000, X64.Geometry);

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
        var space = new DeviceSpace(1 << 30, X64.Geometry);
        Assert.True(space.TryTakeAt(0, 1));
        Assert.True(space.TryTake(4096, 4096, out long aligned));
        Assert.Equal(4096, aligned);
        Assert.True(space.TryTake(4095, 1, out long before));
        Assert.Equal(1, before);
        Assert.True(space.TryTake(4096, 1 << 21, out aligned));
        Assert.Equal(1 << 21, aligned);
        Assert.False(space.TryTake(1, 1 << 30, out _));
        Assert.Equal((1 << 30) - (3 * 4096), space.Free);
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
    public void Any_operations_leave_what_an_array_of_bytes_says()
    {
        const int size = 64;
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var space = new DeviceSpace(size, X64.Geometry);
            int[] files = new int[size];
            int[] leaving = new int[size];
            bool[] retired = new bool[size];
            for (int step = 0; step < 100; step++)
            {
                int start = random.Next(size);
                int length = 1 + random.Next(size - start);
                var (taken, end) = Run(at => files[at] > leaving[at], start);
                var (left, leftEnd) = Run(at => leaving[at] > 0, start);
                switch (random.Next(16))
                {
                    case < 4:
                        int fit = Enumerable.Range(0, size - length + 1).FirstOrDefault(at => IsFree(at, length), -1);
                        Assert.Equal(fit >= 0, space.TryTake(length, 1, out long found));
                        Assert.True(fit < 0 || fit == found);
                        Change(fit, fit < 0 ? 0 : length, 1);
                        break;
                    case 4:
                        Assert.Equal(IsFree(start, length), space.TryTakeAt(start, length));
                        Change(start, IsFree(start, length) ? length : 0, 1);
                        break;
                    case 5 when step % 10 == 0:
                        space.Retire(start, start + length);
                        Array.Fill(retired, true, start, length);
                        break;
                    case < 8 when taken >= 0:
                        space.Share(taken, end - taken);
                        Change(taken, end - taken, 1);
                        break;
                    case >= 8 and < 12 when taken >= 0:
                        int part = taken + random.Next(end - taken);
                        space.Give(part, end - part);
                        Change(part, end - part, -1);
                        break;
                    case 12 or 13 when taken >= 0:
                        space.Leave(taken, end - taken);
                        Add(leaving, taken, end - taken, 1);
                        break;
                    case > 13 when left >= 0:
                        int piece = left + random.Next(leftEnd - left);
                        space.GiveLeft(piece, leftEnd - piece);
                        Add(leaving, piece, leftEnd - piece, -1);
                        Change(piece, leftEnd - piece, -1);
                        break;
                }

                Assert.Equal(Enumerable.Range(0, size).Count(at => IsFree(at, 1)), space.Free);
                Assert.Equal(Enumerable.Range(0, size).Count(at => retired[at] && files[at] == 0), space.Retired);
                var all = Enumerable.Range(0, size).Where(at => files[at] > 0 && files[at] == leaving[at]).ToList();
                Assert.Equal((all.Count, all.Count(at => retired[at])), (space.Leaving, space.LeavingOutOfUse));
                if (files[start] > 0)
                {
                    var on = space.FilesOn(start, Run(at => files[at] > 0, start).End - start, out long same);
                    Assert.Equal(new Sharers(files[start], leaving[start]), on);
                    Assert.True(Enumerable.Range(start, (int)same).All(at => files[at] == on.Files && leaving[at] == on.Leaving));
                }

                Assert.Equal(retired.Skip(start).Take(length).Any(is_ => is_), space.IsOutOfUse(start, length));
                int first = Array.IndexOf(retired, true, start, length);
                var (from, bytes) = space.FirstOutOfUse(start, length);
                Assert.True(first < 0 ? bytes == 0 : from == first && bytes > 0 && Enumerable.Range(first, (int)bytes).All(at => retired[at]));
            }

            bool IsFree(int at, int count) => Enumerable.Range(at, count).All(i => files[i] == 0 && !retired[i]);

            void Change(int at, int count, int by) => Add(files, at, count, by);

            static void Add(int[] counts, int at, int count, int by)
            {
                for (int i = at; i < at + count; i++)
                {
                    counts[i] += by;
                }
            }

            // The first run of which something holds, from a place on; -1 where there is none.
            static (int Start, int End) Run(Predicate<int> holds, int from)
            {
                int[] places = [.. Enumerable.Range(0, size)];
                int first = Array.FindIndex(places, from, holds);
                int past = first < 0 ? -1 : Array.FindIndex(places, first, at => !holds(at));
                return (first, past < 0 ? size : past);
            }
        }
    }

    [Fact]
    public void Threads_take_and_give_without_overlap()
    {
        var space = new DeviceSpace(64 * 4096, X64.Geometry);
        int[] owners = new int[64 * 4096];
        int overlaps = 0;
        var threads = Enumerable.Range(1, 4).Select(id => new Thread(() =>
        {
            for (int i = 0; i < 3000; i++)
            {
                long length = 1 + (i * id % 6100);
                if (!space.TryTake(length, i % 3 == 0 ? 4096 : 1, out long start))
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
        Assert.Equal(64 * 4096, space.Free);
        Assert.True(space.TryTake(64 * 4096, 1, out _));
    }
}
