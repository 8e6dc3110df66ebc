using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>madvise.</summary>
public sealed class AdviseTests
{
    [Theory]
    [InlineData(Advice.DontFork, Advice.DoFork, AreaFlags.DontFork)]
    [InlineData(Advice.DontDump, Advice.DoDump, AreaFlags.DontDump)]
    [InlineData(Advice.HugePage, Advice.NoHugePage, AreaFlags.HugePages)]
    [InlineData(Advice.NoHugePage, Advice.HugePage, AreaFlags.NoHugePages)]
    [InlineData(Advice.Random, Advice.Normal, AreaFlags.Random)]
    [InlineData(Advice.Sequential, Advice.Normal, AreaFlags.Sequential)]
    public void A_flag_that_splits_the_area_does_not_end_the_sharing(Advice set, Advice undo, AreaFlags flag)
    {
        using var bench = new OperationBench();
        var sharers = bench.StartSharers(2, bench.DaxFile(2 * Gibi));
        bench.Does(sharers[0].Space.Advise(At + Page, Page, set));
        Assert.Equal([AreaFlags.Shared, AreaFlags.Shared | flag, AreaFlags.Shared], sharers[0].Space.Areas.Select(area => area.Flags));
        sharers[1].Store(At + Gibi, 1);
        Assert.Equal(((0, 0, 0, 1), true), (sharers[0].Own, sharers[0].Sees(At + Gibi)));
        bench.Does(sharers[0].Space.Advise(At, 2 * Gibi, undo));
        Assert.Equal(0L, bench.Machine.Count(TableEvent.Diverged) + bench.Machine.Count(TableEvent.Detached));
    }

    [Fact]
    public void DONTNEED_drops_private_pages_and_leaves_what_is_attached()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.StartSharers(1, file)[0];
        var own = process.Map(MapRequest.PrivateFile(file, Rights.ReadWrite), At + (1024 * Gibi));
        var anonymous = process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite), At + (2048 * Gibi));
        process.Store(At, 1);
        process.Store(own, 2);
        process.Store(anonymous, 3);
        foreach (var at in new[] { At, own, anonymous })
        {
            bench.Does(process.Space.Advise(at, Page, Advice.DontNeed));
        }

        Assert.Equal((1, 1, 0), (process.Load(At), process.Load(own), process.Load(anonymous)));
        Assert.Equal((1, 0), (process.Own.Pte, file.Tables.ReverseMap.Count));
        process.Store(anonymous, 4);
        bench.Does(process.Space.Advise(anonymous, Page, Advice.Free));
        Assert.Equal(0, process.Load(anonymous));
    }

    [Theory]
    [InlineData(Advice.DontNeed)]
    [InlineData(Advice.Free)]
    public void Tables_that_lie_wholly_in_what_is_dropped_of_one_area_go_with_it(Advice advice)
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(6 * Mebi, Rights.ReadWrite));
        bench.Does(process.Space.Advise(At, 6 * Mebi, Advice.PopulateWrite));
        Assert.Equal(3, process.Own.Pte);
        int frames = bench.Machine.FramesInUse;

        // One is covered, and half of another.
        bench.Does(process.Space.Advise(At + Mebi, 3 * Mebi, advice));
        bench.Machine.Reclaim();
        Assert.Equal((2, frames - (3 * Mebi / Page) - 1), (process.Own.Pte, bench.Machine.FramesInUse));
        Assert.Equal((AccessOutcome.Completed, (byte)0), (process.LoadOutcome(At + (3 * Mebi)), process.Load(At + (3 * Mebi))));
        Assert.Equal(3, process.Own.Pte);

        // One in which two areas lie is covered by neither.
        bench.Does(process.Space.Protect(At + (5 * Mebi), Mebi, Rights.Read));
        bench.Does(process.Space.Advise(At, 6 * Mebi, advice));
        bench.Machine.Reclaim();
        Assert.Equal(1, process.Own.Pte);
        process.Store(At + (4 * Mebi), 1);
        Assert.Equal((1, 0), (process.Load(At + (4 * Mebi)), process.Load(At)));
        bench.Sound();
    }

    [Fact]
    public void Only_private_pages_of_4_KiB_that_are_no_storage_are_mergeable_and_the_advice_passes_over_the_rest()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        var memory = bench.MemoryFile(4 * Page);
        process.Map(MapRequest.Anonymous(4 * Page, Rights.ReadWrite));
        process.Map(MapRequest.PrivateFile(memory, Rights.ReadWrite), At + (4 * Page));
        process.Map(MapRequest.SharedFile(memory, Rights.ReadWrite), At + (8 * Page));
        process.Map(MapRequest.PrivateFile(bench.DaxFile(4 * Page), Rights.ReadWrite), At + (12 * Page));
        process.Map(MapRequest.SharedFile(bench.HugeFile(4 * Mebi), Rights.ReadWrite), At + Gibi);
        bench.Does(process.Space.Advise(At + Page, 15 * Page, Advice.Mergeable));
        bench.Fails(Errno.None, () => process.Space.Advise(At + Gibi + Page, Page, Advice.Mergeable));
        Assert.Equal(
            [0, AreaFlags.Mergeable, AreaFlags.Mergeable, AreaFlags.Shared, 0, AreaFlags.Shared],
            process.Space.Areas.Select(area => area.Flags));
        bench.Does(process.Space.Advise(At, 16 * Page, Advice.Unmergeable));
        Assert.Equal([4 * Page, 4 * Page, 4 * Page, 4 * Page, 4 * Mebi], process.Space.Areas.Select(area => area.Range.Length));
        Assert.Equal([0, 0, AreaFlags.Shared, 0, AreaFlags.Shared], process.Space.Areas.Select(area => area.Flags));
    }

    [Fact]
    public void The_first_area_that_an_advice_does_not_fit_decides_even_beyond_a_hole()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.Start();
        var space = process.Space;
        process.Map(MapRequest.Anonymous(2 * Page, Rights.Read));
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite), At + (4 * Page));
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite) with { Locked = true }, At + Gibi);
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + (2 * Gibi));
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite), At + (3 * Gibi));
        Assert.Equal(Errno.None, space.Seal(At + (2 * Gibi), Page));
        bench.Fails(Errno.ENOMEM, () => space.Advise(At, 3 * Page, Advice.WipeOnFork));
        bench.Fails(Errno.EINVAL, () => space.Advise(At, 5 * Page, Advice.WipeOnFork));
        bench.Fails(Errno.EINVAL, () => space.Advise(At, 5 * Page, Advice.Free));
        bench.Fails(Errno.ENOMEM, () => space.Advise(At, 5 * Page, Advice.DontNeed));
        bench.Fails(Errno.EINVAL, () => space.Advise(At, 3 * Gibi, Advice.DontNeed));
        bench.Fails(Errno.EPERM, () => space.Advise(At + Gibi + Page, 2 * Gibi, Advice.DontNeed));
        bench.Fails(Errno.EPERM, () => space.Advise(At, 3 * Gibi, Advice.DontFork));
        bench.Fails(Errno.EINVAL, () => space.Advise(At, 5 * Page, Advice.Remove));
        bench.Fails(Errno.EPERM, () => space.Advise(At + Gibi + Page, 2 * Gibi, Advice.Remove));
        bench.Fails(Errno.ENOMEM, () => space.Advise(At + (4 * Page), 8 * Mebi, Advice.Remove));
    }

    [Fact]
    public void Reading_ahead_wants_the_right_to_read_and_what_lies_before_is_populated()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite));
        process.Map(MapRequest.Anonymous(Page, Rights.Execute), At + (2 * Page));
        process.Map(MapRequest.Anonymous(Page, Rights.Write), At + (3 * Page));
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + (4 * Page));
        Assert.Equal(Errno.EINVAL, process.Space.Advise(At + Page, 2 * Page, Advice.PopulateRead));
        Assert.Equal((false, true, false), (process.Sees(At), process.Sees(At + Page), process.Sees(At + (2 * Page))));
        Assert.Equal(Errno.EINVAL, process.Space.Advise(At + (3 * Page), Page, Advice.PopulateRead));
        Assert.False(process.Sees(At + (3 * Page)));

        // Which a load may do without.
        Assert.Equal((AccessOutcome.Completed, AccessOutcome.Completed), (process.LoadOutcome(At + (2 * Page)), process.LoadOutcome(At + (3 * Page))));
        bench.Does(process.Space.Advise(At + (3 * Page), Page, Advice.PopulateWrite));
        Assert.Equal(Errno.ENOMEM, process.Space.Advise(At + (4 * Page), 2 * Page, Advice.PopulateRead));
        Assert.True(process.Sees(At + (4 * Page)));
        bench.Sound();
    }

    [Fact]
    public void REMOVE_punches_the_file_for_everybody()
    {
        using var bench = new OperationBench();
        var sharers = bench.StartSharers(2, bench.DaxFile(4 * Mebi));
        sharers[0].Store(At + Page, 1);
        bench.Does(sharers[1].Space.Advise(At + Page, Page, Advice.Remove));
        Assert.Equal((0, 0), (sharers[0].Load(At + Page), sharers[1].Load(At + Page)));
    }

    [Fact]
    public void POPULATE_faults_in_what_is_mapped_and_says_why_it_cannot()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi, [new(0, 0, 2 * Mebi)]);
        var process = bench.Start();
        process.Map(new MapRequest(8 * Mebi, Rights.ReadWrite) { File = file, Shared = true });
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + Gibi);
        bench.Does(process.Space.Advise(At, 4 * Mebi, Advice.PopulateRead));
        Assert.True(process.Sees(At + (4 * Mebi) - 1));
        bench.Does(process.Space.Advise(At, 4 * Mebi, Advice.PopulateWrite));
        Assert.Equal(4 * Mebi, file.DirtyBytes);
        Assert.Equal(Errno.EFAULT, process.Space.Advise(At, 8 * Mebi, Advice.PopulateRead));
        Assert.Equal(Errno.EINVAL, process.Space.Advise(At + Gibi, Page, Advice.PopulateWrite));
        Assert.Equal(Errno.ENOMEM, process.Space.Advise(At + Gibi, 2 * Page, Advice.PopulateRead));
        bench.Does(file.Poison(Page));
        Assert.Equal(Errno.EHWPOISON, process.Space.Advise(At, 4 * Mebi, Advice.PopulateRead));
        bench.Sound();
    }

    [Theory]
    [InlineData(Advice.WillNeed)]
    [InlineData(Advice.Cold)]
    [InlineData(Advice.PageOut)]
    public void Advice_about_reclaim_changes_nothing(Advice advice)
    {
        using var bench = new OperationBench();
        var process = bench.StartSharers(1, bench.DaxFile(4 * Mebi))[0];
        bench.Fails(Errno.None, () => process.Space.Advise(At, 4 * Mebi, advice));
    }

    [Fact]
    public void Every_bad_argument_has_its_errno_and_changes_nothing()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.StartSharers(1, file)[0];
        var space = process.Space;
        var own = process.Map(MapRequest.PrivateFile(file, Rights.Read), At + Gibi);
        var anonymous = process.Map(MapRequest.Anonymous(4 * Page, Rights.ReadWrite), At + (2 * Gibi));
        var locked = process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite) with { Locked = true }, At + (3 * Gibi));
        var huge = process.Map(MapRequest.SharedFile(bench.HugeFile(4 * Mebi), Rights.ReadWrite), At + (4 * Gibi));
        var readable = process.Map(MapRequest.SharedFile(file, Rights.Read) with { OpenedFor = Rights.Read }, At + (5 * Gibi));
        var still = process.Map(MapRequest.Anonymous(Page, Rights.Read), At + (6 * Gibi));
        Assert.Equal(Errno.None, space.Seal(own, 4 * Mebi));
        Assert.Equal(Errno.None, space.Seal(still, Page));
        bench.Fails(Errno.EINVAL, () => space.Advise(At + 1, Page, Advice.DontNeed));
        bench.Fails(Errno.EINVAL, () => space.Advise(At, -1, Advice.DontNeed));
        bench.Fails(Errno.EINVAL, () => space.Advise(At, Page, (Advice)7));
        bench.Fails(Errno.None, () => space.Advise(At, 0, Advice.DontNeed));
        bench.Fails(Errno.ENOMEM, () => space.Advise(At, 8 * Mebi, Advice.DontFork));
        bench.Fails(Errno.ENOMEM, () => space.Advise(space.UserEnd, Page, Advice.DontFork));
        bench.Fails(Errno.EINVAL, () => space.Advise(At, Page, Advice.Free));
        bench.Fails(Errno.EINVAL, () => space.Advise(At, Page, Advice.WipeOnFork));
        foreach (var advice in new[] { Advice.DontNeed, Advice.Free, Advice.Cold, Advice.PageOut, Advice.Remove })
        {
            bench.Fails(Errno.EINVAL, () => space.Advise(locked, Page, advice));
        }

        // What changes nothing cuts nothing.
        foreach (var advice in new[] { Advice.DoFork, Advice.DoDump, Advice.Normal, Advice.Unmergeable })
        {
            bench.Fails(Errno.None, () => space.Advise(huge + Page, 2 * Mebi, advice));
        }

        foreach (var advice in new[] { Advice.DontNeed, Advice.DontFork, Advice.DontDump, Advice.Random })
        {
            bench.Fails(Errno.EINVAL, () => space.Advise(huge + Page, 2 * Mebi, advice));
        }

        bench.Fails(Errno.EINVAL, () => space.Advise(huge, 2 * Mebi, Advice.Cold));
        bench.Fails(Errno.EINVAL, () => space.Advise(anonymous, Page, Advice.Remove));
        bench.Fails(Errno.EACCES, () => space.Advise(own, Page, Advice.Remove));
        bench.Fails(Errno.EACCES, () => space.Advise(readable, Page, Advice.Remove));
        foreach (var advice in new[] { Advice.DontNeed, Advice.Free, Advice.DontFork, Advice.WipeOnFork, Advice.Remove })
        {
            bench.Fails(Errno.EPERM, () => space.Advise(still, Page, advice));
        }

        // What a file has is not lost.
        bench.Fails(Errno.None, () => space.Advise(own, Page, Advice.DontNeed));
        bench.Does(space.Advise(own, Page, Advice.DontFork));
        Assert.Equal(AreaFlags.Sealed | AreaFlags.DontFork, space.Areas[1].Flags);
    }
}
