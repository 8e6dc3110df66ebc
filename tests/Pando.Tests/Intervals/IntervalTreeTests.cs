using Pando.Concurrency;
using Pando.Intervals;

namespace Pando.Tests.Intervals;

/// <summary>The interval map against an array that says of each number what the map should say.</summary>
public class IntervalTreeTests
{
    private const int Numbers = 200;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Any_operations_leave_what_an_array_of_numbers_says(bool hasReaders)
    {
        for (int seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var watcher = new Watcher();
            var tree = new IntervalTree<Place, Longest>(hasReaders ? new Epochs() : null, watcher);
            var model = new long?[Numbers];
            for (int step = 0; step < 60; step++)
            {
                string what = $"seed {seed}, step {step}: {Change(random, tree, model, watcher)}";
                Compare(tree, model, what);
                watcher.Compare(tree, what);
            }
        }
    }

    [Fact]
    public void Intervals_join_where_one_says_on_what_the_other_says()
    {
        var map = new IntervalMap<Place>();
        map.Set(10, 20, new Place(100));
        map.Set(30, 40, new Place(120));
        map.Set(20, 30, new Place(110));
        Assert.Equal(new Interval<Place>(10, 40, new Place(100)), Assert.Single(map));
        map.Set(15, 25, new Place(105));
        Assert.Equal(1, map.Count);
        map.Set(40, 50, new Place(100));
        map.Set(0, 10, new Place(100));
        Assert.Equal(3, map.Count);
        map.Remove(12, 14);
        Assert.Equal([(0, 10, 100), (10, 12, 100), (14, 40, 104), (40, 50, 100)], map.Select(i => (i.Start, i.End, i.Value.At)));
        Assert.Equal(48, map.Length);
        map.Clear();
        Assert.Empty(map);
    }

    [Fact]
    public void A_set_is_the_union_of_what_was_added()
    {
        var set = new IntervalSet();
        set.Add(5, 10);
        set.Add(20, 25);
        set.Add(10, 12);
        set.Add(3, 3);
        set.Add(9, 3);
        Assert.Equal([(5, 12), (20, 25)], set.Select(i => (i.Start, i.End)));
        set.Add(0, 100);
        Assert.Equal(100, set.Length);
        Assert.True(set.Overlaps(99, 100));
        Assert.False(set.Overlaps(100, 200));
    }

    [Theory]
    [InlineData(long.MinValue, long.MaxValue)]
    [InlineData(long.MinValue, 0)]
    [InlineData(0, long.MaxValue)]
    [InlineData(long.MaxValue - 1, long.MaxValue)]
    public void The_ends_of_all_numbers_can_be_said_something_of(long start, long end)
    {
        var set = new IntervalSet();
        set.Add(start, end);
        Assert.Equal((start, end), set.Select(i => (i.Start, i.End)).Single());
        Assert.True(set.TryGet(end - 1, out _));
        Assert.False(set.TryGet(end, out _));
        set.Remove(start + 1, end);
        Assert.Equal((start, start + 1), set.Select(i => (i.Start, i.End)).Single());
    }

    [Fact]
    public void What_a_move_would_lose_is_refused_and_nothing_changes()
    {
        var set = new IntervalSet();
        set.Add(0, 10);
        set.Add(20, 30);
        Assert.Throws<ArgumentException>(() => set.Shift(20, -11));
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Shift(20, long.MaxValue - 29));
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Shift(long.MinValue + 1, -2));
        Assert.Equal([(0, 10), (20, 30)], set.Select(i => (i.Start, i.End)));
        set.Shift(20, -10);
        Assert.Equal([(0, 20)], set.Select(i => (i.Start, i.End)));
        set.Shift(5, 7);
        Assert.Equal([(0, 5), (12, 27)], set.Select(i => (i.Start, i.End)));
    }

    [Fact]
    public void Changing_a_map_allocates_no_managed_memory()
    {
        var tree = new IntervalTree<Place, Longest>(new Epochs());
        Churn(tree, 1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Churn(tree, 100_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        static void Churn(IntervalTree<Place, Longest> tree, long from)
        {
            for (long i = from; i < from + 5000; i++)
            {
                tree.Set(i * 10, (i * 10) + 5, new Place(i));
                tree.Remove((i - 500) * 10, (i - 490) * 10);
            }
        }
    }

    [Fact]
    public void Readers_without_a_lock_find_the_map_before_or_after_each_operation()
    {
        // Every number is said to lie at itself plus a version, all of them at the same: a reader who meets two versions in
        // neighbours that are one operation, or none, has seen a half-made change.
        var epochs = new Epochs();
        var tree = new IntervalTree<Place, Longest>(epochs);
        tree.Set(0, 1000, new Place(0));
        int failures = 0;
        bool stop = false;
        var readers = Enumerable.Range(0, 2).Select(_ => new Thread(() =>
        {
            long seen = 0;
            while (!Volatile.Read(ref stop))
            {
                using var epoch = epochs.Enter();
                bool found = tree.TryGet(500, out var interval);
                long version = interval.Value.After(500 - interval.Start).At - 500;
                failures += found && interval.Start <= 500 && interval.End > 500 && version >= seen && version % 1000 == 0 ? 0 : 1;
                seen = version;
            }
        })).ToList();
        readers.ForEach(reader => reader.Start());
        for (int version = 1; version <= 20_000; version++)
        {
            int from = version % 400;
            tree.Set(from, 1000 - from, new Place((version * 1000L) + from));
        }

        Volatile.Write(ref stop, true);
        readers.ForEach(reader => reader.Join());
        Assert.Equal(0, failures);
    }

    [Fact]
    public void Readers_without_a_lock_find_what_is_moved_before_or_after_the_move()
    {
        var epochs = new Epochs();
        var tree = new IntervalTree<Place, Longest>(epochs);
        for (int i = 0; i < 1000; i++)
        {
            tree.Set(i * 10, (i * 10) + 5, new Place(i * 1000));
        }

        int failures = 0;
        bool stop = false;
        var reader = new Thread(() =>
        {
            for (int i = 0; !Volatile.Read(ref stop); i = (i + 7) % 1000)
            {
                // Either where it was or 3 further on, of which the second begins at a number that the first has too.
                using var epoch = epochs.Enter();
                failures += tree.TryGet((i * 10) + 4, out var found) && found.Value.At == i * 1000 && (found.Start - (i * 10) is 0 or 3) && found.Length == 5 ? 0 : 1;
            }
        });
        reader.Start();
        for (int round = 0; round < 10_000; round++)
        {
            int from = round * 37 % 1000 * 10;
            tree.Shift(from, 3);
            tree.Shift(from + 3, -3);
        }

        Volatile.Write(ref stop, true);
        reader.Join();
        Assert.Equal(0, failures);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_memory_of_what_was_cut_out_is_used_again(bool hasReaders)
    {
        var tree = new IntervalTree<Place, Longest>(hasReaders ? new Epochs() : null);
        for (int round = 0; round < 100; round++)
        {
            for (int i = 0; i < 1000; i++)
            {
                tree.Set(i * 10, (i * 10) + 5, new Place(i * 1000));
            }

            var part = tree.CutOut(50, 9950);
            while (tree.Drop(ref part))
            {
            }
        }

        Assert.True(tree.NodeCount < 10_000, $"There are {tree.NodeCount:N0} nodes.");
        Assert.Equal(10, tree.Count);
    }

    private static string Change(Random random, IntervalTree<Place, Longest> tree, long?[] model, Watcher watcher)
    {
        int start = random.Next(Numbers - 1);
        int end = start + random.Next(Math.Min(Numbers - start, random.Next(3) == 0 ? Numbers : 12));
        switch (random.Next(10))
        {
            case < 5:
                long value = start + (100 * random.Next(3));
                tree.Set(start, end, new Place(value));
                for (int i = start; i < end; i++)
                {
                    model[i] = value + i - start;
                }

                return $"set {start} to {end}";
            case 5:
                tree.Remove(start, end);
                Array.Clear(model, start, end - start);
                return $"remove {start} to {end}";
            case 8:
                var cut = tree.CutOut(start, end);
                CompareAndDrop(tree, cut, model, start, end, watcher);
                Array.Clear(model, start, end - start);
                return $"cut out {start} to {end}";
            case 9:
                var part = default(IntervalTree<Place, Longest>.Part);
                long?[] before = [.. model];
                Array.Clear(model, start, end - start);
                for (int at = start + random.Next(3); at < end;)
                {
                    int next = Math.Min(end, at + 1 + random.Next(4));
                    long there = at + (100 * random.Next(2));
                    part = tree.Append(part, new(at, next, new Place(there)));
                    for (int i = at; i < next; i++)
                    {
                        model[i] = there + i - at;
                    }

                    at = next + random.Next(3);
                }

                CompareAndDrop(tree, tree.Replace(start, end, part), before, start, end, watcher);
                return $"replace {start} to {end}";
            case 6:
                // What moves past the end of the model is taken out first.
                tree.Remove(Numbers - (end - start), Numbers);
                Array.Clear(model, Numbers - (end - start), end - start);
                tree.Shift(start, end - start);
                Array.Copy(model, start, model, end, Numbers - end);
                Array.Clear(model, start, end - start);
                return $"shift {start} up by {end - start}";
            default:
                tree.Remove(start, end);
                tree.Shift(end, start - end);
                Array.Copy(model, end, model, start, Numbers - end);
                Array.Clear(model, Numbers - (end - start), end - start);
                return $"shift {end} down to {start}";
        }
    }

    /// <summary>A part that was cut out says what the map said before, also when the map has been changed since.</summary>
    private static void CompareAndDrop(IntervalTree<Place, Longest> tree, IntervalTree<Place, Longest>.Part part, long?[] before, int start, int end, Watcher watcher)
    {
        tree.Set(-20, -10, new Place(0));
        tree.Shift(-15, 2);
        tree.Shift(-13, -2);
        tree.Remove(-20, 0);
        tree.Shift(0, 10);
        tree.Shift(10, -10);
        watcher.CompareParts(tree);
        var said = new long?[Numbers];
        for (long at = long.MinValue; tree.TryGetNext(part, at, out var interval); at = interval.End)
        {
            for (long i = interval.Start; i < interval.End; i++)
            {
                said[i] = interval.Value.After(i - interval.Start).At;
            }
        }

        for (int i = 0; i < Numbers; i++)
        {
            Assert.Equal(i >= start && i < end ? before[i] : null, said[i]);
        }

        while (tree.Drop(ref part))
        {
        }

        Assert.True(part.IsNone);
    }

    private static void Compare(IntervalTree<Place, Longest> tree, long?[] model, string what)
    {
        var expected = new List<(long Start, long End, long At)>();
        for (int i = 0; i < Numbers; i++)
        {
            if (model[i] is { } at)
            {
                if (expected.Count > 0 && expected[^1].End == i && expected[^1].At + i - expected[^1].Start == at)
                {
                    expected[^1] = expected[^1] with { End = i + 1 };
                }
                else
                {
                    expected.Add((i, i + 1, at));
                }
            }
        }

        Assert.True(expected.SequenceEqual(tree.Select(i => (i.Start, i.End, i.Value.At))), what);
        Assert.True(expected.Count == tree.Count && expected.Sum(i => i.End - i.Start) == tree.Length, what);
        for (int i = 0; i < Numbers; i += 7)
        {
            bool has = tree.TryGet(i, out var found);
            Assert.True(has == model[i].HasValue && (!has || found.Value.After(i - found.Start).At == model[i]), what);
            bool hasBefore = tree.TryGetPrevious(i, out found);
            var before = expected.LastOrDefault(e => e.Start < i);
            Assert.True(hasBefore == (before.End > 0) && (!hasBefore || (found.Start, found.End) == (before.Start, before.End)), what);
        }

        for (int length = 1; length < 20; length += 3)
        {
            bool has = tree.TryFind(new AtLeast(length), out var found);
            var first = expected.FirstOrDefault(e => e.End - e.Start >= length);
            Assert.True(has == (first.End > 0) && (!has || found.Start == first.Start), what);
        }
    }

    /// <summary>Knows of each number of an interval where that lies: what a watcher can know.</summary>
    private sealed class Watcher : IItemWatcher<Interval<Place>>
    {
        private readonly Dictionary<int, (long At, long Length)> _said = [];

        public void MakeRoom()
        {
        }

        public void Added(int number, in Interval<Place> item) => _said.Add(number, Said(item));

        public void Changed(int number, in Interval<Place> before, in Interval<Place> now)
        {
            Assert.Equal(Said(before), _said[number]);
            _said[number] = Said(now);
        }

        public void Removed(int number, in Interval<Place> item)
        {
            Assert.Equal(Said(item), _said[number]);
            _said.Remove(number);
        }

        public void Dropped(int number, in Interval<Place> item) => Removed(number, item);

        public void Committed()
        {
        }

        public void Compare(IntervalTree<Place, Longest> tree, string what)
        {
            var found = new List<Interval<Place>>();
            foreach (var (number, said) in _said)
            {
                Assert.True(tree.TryGetNumbered(number, out var interval) && said == Said(interval), what);
                found.Add(interval);
            }

            Assert.True(found.OrderBy(interval => interval.Start).SequenceEqual(tree), what);
        }

        /// <summary>What has a number is in the tree, as the number says, or in a part.</summary>
        public void CompareParts(IntervalTree<Place, Longest> tree)
        {
            var found = new List<Interval<Place>>();
            foreach (var (number, said) in _said)
            {
                if (tree.TryGetNumbered(number, out var interval))
                {
                    Assert.Equal(said, Said(interval));
                    found.Add(interval);
                }
            }

            Assert.True(found.OrderBy(interval => interval.Start).SequenceEqual(tree));
        }

        private static (long At, long Length) Said(in Interval<Place> interval) => (interval.Value.At, interval.Length);
    }

    private readonly record struct Place(long At) : IIntervalValue<Place>
    {
        public Place After(long distance) => new(At + distance);
    }

    private readonly record struct Longest(long Length) : IIntervalSummary<Longest, Place>
    {
        public static Longest Of(in Interval<Place> interval) => new(interval.Length);

        public static Longest Join(in Longest first, in Longest second) => new(Math.Max(first.Length, second.Length));
    }

    private readonly record struct AtLeast(long Length) : ISummaryTest<Longest>
    {
        public bool Holds(in Longest summary) => summary.Length >= Length;
    }
}
