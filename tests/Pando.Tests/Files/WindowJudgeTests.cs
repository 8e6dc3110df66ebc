using Pando.Files;

namespace Pando.Tests.Files;

public class WindowJudgeTests
{
    private const long Mebi = 1 << 20;
    private const long Leaf = 2 * Mebi;

    private static WindowVerdict Judge(long start, long fileEnd, params PlacedExtent[] extents) => WindowJudge.Judge(new ExtentList(extents), start, Leaf, fileEnd);

    private static PlacedExtent Written(long offset, long place, long length) => new(offset, place, length, ExtentState.Written);

    [Fact]
    public void A_window_in_one_extent_at_a_congruent_place_gets_a_leaf_and_so_do_those_behind_it()
    {
        Assert.Equal(new(SmallPageReason.None, ExtentState.Written, 4), Judge(0, 100 * Mebi, Written(0, 6 * Mebi, (8 * Mebi) + 4096)));
        Assert.Equal(new(SmallPageReason.None, ExtentState.Written, 1), Judge(4 * Mebi, 7 * Mebi, Written(0, 6 * Mebi, 8 * Mebi)));
        Assert.Equal(new(SmallPageReason.None, ExtentState.Shared, 2), Judge(0, 4 * Mebi, new PlacedExtent(0, 2 * Mebi, 4 * Mebi, ExtentState.Shared)));
    }

    [Fact]
    public void The_place_counts_from_where_the_memory_begins()
    {
        Assert.Equal(SmallPageReason.PhysicalNotAligned, WindowJudge.Judge(new ExtentList([Written(0, 0, Leaf)]), 0, Leaf, Leaf, (ulong)Mebi).Reason);
        Assert.Equal(SmallPageReason.None, WindowJudge.Judge(new ExtentList([Written(0, Mebi, Leaf)]), 0, Leaf, Leaf, (ulong)Mebi).Reason);
        Assert.Equal(SmallPageReason.None, WindowJudge.Judge(new ExtentList([Written(0, Mebi, Leaf)]), 0, Leaf, Leaf, unchecked((ulong)-Mebi)).Reason);
    }

    [Fact]
    public void Every_reason_of_a_place_has_its_case()
    {
        Assert.Equal(new(SmallPageReason.EndOfFile, ExtentState.Written, 1), Judge(0, Leaf - 4096, Written(0, 0, Leaf)));
        Assert.Equal(new(SmallPageReason.Hole, ExtentState.Hole, 3), Judge(0, 100 * Mebi, Written((6 * Mebi) + 4096, 0, Leaf)));
        Assert.Equal(new(SmallPageReason.Hole, ExtentState.Hole, 5), Judge(0, 10 * Mebi));
        Assert.Equal(new(SmallPageReason.Hole, ExtentState.Written, 1), Judge(0, 10 * Mebi, Written(4096, 4096, Leaf)));
        Assert.Equal(new(SmallPageReason.Hole, ExtentState.Written, 1), Judge(0, 10 * Mebi, Written(0, 0, Mebi), Written(Mebi + 4096, Mebi + 4096, Leaf)));
        Assert.Equal(new(SmallPageReason.ExtentTooShort, ExtentState.Written, 1), Judge(0, 10 * Mebi, Written(0, 0, Mebi), Written(Mebi, 8 * Mebi, Leaf)));
        Assert.Equal(new(SmallPageReason.PhysicalNotAligned, ExtentState.Written, 2), Judge(0, 10 * Mebi, Written(0, 4096, 2 * Leaf)));
        Assert.Equal(new(SmallPageReason.PartlyWritten, ExtentState.Written, 1), Judge(0, 10 * Mebi, Written(0, 0, Mebi), new PlacedExtent(Mebi, Mebi, Mebi, ExtentState.Unwritten)));
        Assert.Equal(new(SmallPageReason.PartlyShared, ExtentState.Shared, 1), Judge(0, 10 * Mebi, new PlacedExtent(0, 0, Mebi, ExtentState.Shared), Written(Mebi, Mebi, Mebi)));
        Assert.Equal(new(SmallPageReason.ExtentTooShort, ExtentState.NoPlace, 1), Judge(0, 10 * Mebi, new PlacedExtent(0, 0, Leaf, ExtentState.NoPlace)));
    }

    [Theory]
    [InlineData(-1, Leaf)]
    [InlineData(0, 0)]
    [InlineData(0, 3)]
    [InlineData(long.MaxValue, Leaf)]
    public void What_is_no_window_is_refused(long start, long size) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => WindowJudge.Judge(new ExtentList([]), start, size, long.MaxValue));

    [Fact]
    public void Totals_are_those_of_every_window_judged_alone()
    {
        for (int seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var extents = new List<PlacedExtent>();
            for (long at = 0, place = 0; extents.Count < 40;)
            {
                at += random.Next(3) == 0 ? random.Next(1, 4) * Mebi / 2 : 0;
                place += random.Next(3) == 0 ? random.Next(1, 4) * Mebi / 2 : 0;
                long length = random.Next(1, 12) * Mebi / 2;
                extents.Add(new(at, place, length, (ExtentState)random.Next(1, 5)));
                (at, place) = (at + length, place + length);
            }

            long size = extents[^1].FileEnd + random.Next(-3, 3) * Mebi;
            ulong start = (ulong)(random.Next(2) * Mebi);
            var single = Enumerable.Range(0, (int)((size + Leaf - 1) / Leaf)).Select(i => WindowJudge.Judge(new ExtentList(extents), i * Leaf, Leaf, size, start)).ToList();
            long Count(ExtentState state) => single.Count(v => v.Reason == SmallPageReason.None && v.State == state);

            var totals = WindowTotals.Of(extents, size, Leaf, start);
            Assert.Equal((single.Count, Count(ExtentState.Written), Count(ExtentState.Shared), Count(ExtentState.Unwritten)), (totals.Windows, totals.Writable, totals.LoadOnly, totals.Unwritten));
            Assert.Equal(single.Where(v => v.Reason != SmallPageReason.None).GroupBy(v => v.Reason).OrderBy(g => g.Key).Select(g => (g.Key, g.LongCount())), totals.Refused.Select(r => (r.Key, r.Value)));
        }
    }
}
