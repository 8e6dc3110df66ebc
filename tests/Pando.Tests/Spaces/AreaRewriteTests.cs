using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>What changes areas leaves those that stay as they are alone: the same objects, not equal ones.</summary>
public sealed class AreaRewriteTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Neighbours_that_join_nothing_stay(bool inFileIndex)
    {
        using var bench = new OperationBench(inFileIndex ? SharingLevels.None : SharingLevels.All);
        var (process, before) = Alternating(bench, 5);
        bench.Does(process.Space.Protect(At + (2 * Page), Page, Rights.None));
        var after = process.Space.AreaSet.All.ToArray();
        Assert.Equal([true, true, false, true, true], Same(before, after));
        Assert.Equal([0, 1, 2, 3, 4], after.Select(Number));
        Assert.Equal([Rights.ReadWrite, Rights.Read, Rights.None, Rights.Read, Rights.ReadWrite], after.Select(area => area.Rights));
    }

    [Fact]
    public void An_area_that_is_cut_leaves_its_neighbours()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        var file = bench.MemoryFile(16 * Page);
        process.Map(MapRequest.SharedFile(file, Rights.Read) with { Length = Page });
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = 3 * Page, Offset = Page }, At + Page);
        process.Map(MapRequest.SharedFile(file, Rights.Read) with { Length = Page, Offset = 4 * Page }, At + (4 * Page));
        var before = process.Space.AreaSet.All.ToArray();
        bench.Does(process.Space.Protect(At + (2 * Page), Page, Rights.Read));
        var after = process.Space.AreaSet.All.ToArray();
        Assert.Equal([0, 1, 2, 3, 4], after.Select(Number));
        Assert.Equal((true, true), (before[0] == after[0], before[2] == after[4]));
    }

    [Fact]
    public void Those_between_areas_that_change_stay()
    {
        using var bench = new OperationBench(SharingLevels.None);
        var (process, before) = Alternating(bench, 5);
        bench.Does(process.Space.LockMemory(At + Page, Page, onFault: true));
        bench.Does(process.Space.LockMemory(At + (3 * Page), Page, onFault: true));
        var locked = process.Space.AreaSet.All.ToArray();
        Assert.Equal([true, false, true, false, true], Same(before, locked));
        bench.Does(process.Space.UnlockMemory(At, 5 * Page));
        var after = process.Space.AreaSet.All.ToArray();
        Assert.Equal([true, false, true, false, true], Same(locked, after));
        Assert.Equal([0, 1, 2, 3, 4], after.Select(Number));
    }

    [Fact]
    public void Those_that_are_joined_go_and_those_beside_them_stay()
    {
        using var bench = new OperationBench(SharingLevels.None);
        var (process, before) = Alternating(bench, 7);
        bench.Does(process.Space.Protect(At + (3 * Page), Page, Rights.ReadWrite));
        var after = process.Space.AreaSet.All.ToArray();
        Assert.Equal([0, 1, 2, 5, 6], after.Select(Number));
        Assert.Equal(3 * Page, after[2].Range.Length);
        Assert.Equal((before[0], before[1], before[5], before[6]), (after[0], after[1], after[3], after[4]));

        // Two that change, and what lies between them does not: all three are one.
        bench.Does(process.Space.Protect(At + Page, 5 * Page, Rights.ReadWrite));
        var joined = Assert.Single(process.Space.AreaSet.All.ToArray());
        Assert.Equal(7 * Page, joined.Range.Length);
    }

    [Fact]
    public void What_changes_nothing_replaces_nothing()
    {
        using var bench = new OperationBench();
        var (process, before) = Alternating(bench, 3);
        bench.Does(process.Space.Advise(At, 3 * Page, Advice.Normal));
        bench.Does(process.Space.UnlockAll());
        Assert.Equal([true, true, true], Same(before, process.Space.AreaSet.All.ToArray()));
    }

    /// <summary>Pages of a file, each an area: the even ones may be written to. All were stored to or loaded from.</summary>
    private static (BenchProcess Process, Area[] Areas) Alternating(OperationBench bench, int pages)
    {
        var file = bench.MemoryFile(16 * Page);
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = pages * Page });
        for (int page = 1; page < pages; page += 2)
        {
            bench.Does(process.Space.Protect(At + (page * Page), Page, Rights.Read));
        }

        for (int page = 0; page < pages; page++)
        {
            process.Load(At + (page * Page));
        }

        bench.Sound();
        return (process, process.Space.AreaSet.All.ToArray());
    }

    private static IEnumerable<bool> Same(Area[] before, Area[] after)
    {
        Assert.Equal(before.Length, after.Length);
        return before.Zip(after, ReferenceEquals);
    }

    private static long Number(Area area) => (area.Range.Start - At) / Page;
}
