using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>mremap.</summary>
public sealed class RemapTests
{
    private const RemapFlags MoveTo = RemapFlags.MayMove | RemapFlags.Fixed;

    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.UpTo1GiB)]
    [InlineData(SharingLevels.None)]
    public void A_whole_congruent_span_moves_by_its_slot_without_a_copy_or_a_fault(SharingLevels sharing)
    {
        using var bench = new OperationBench(sharing);
        var file = bench.DaxFile(2 * Gibi);
        var sharers = bench.StartSharers(2, file);
        var one = sharers[0];
        one.Store(At + Gibi + Page, 5);
        var target = At + (1024 * Gibi);
        long diverged = bench.Machine.Count(TableEvent.Diverged);
        Assert.Equal(target, one.Space.Remap(At, 2 * Gibi, 2 * Gibi, MoveTo, target).Value);
        bench.Sound();
        Assert.Equal([(1024 * Gibi / Page, 2 * Gibi / Page, Rights.ReadWrite)], one.Pages);
        Assert.Equal(diverged, bench.Machine.Count(TableEvent.Diverged));
        Assert.Equal(sharing != SharingLevels.None, one.Sees(target + Gibi + Page));
        Assert.Equal((AccessOutcome.NotMapped, (byte)5), (one.LoadOutcome(At + Gibi + Page), one.Load(target + Gibi + Page)));
        sharers[1].Store(At + Gibi + Page, 6);
        Assert.Equal(6, one.Load(target + Gibi + Page));
    }

    [Theory]
    [InlineData(MoveTo, 4)]
    [InlineData(MoveTo, 2)]
    [InlineData(MoveTo, 6)]
    [InlineData(RemapFlags.MayMove | RemapFlags.DontUnmap, 4)]
    [InlineData(MoveTo | RemapFlags.DontUnmap, 4)]
    public void Private_pages_keep_their_contents_in_every_way_of_moving(RemapFlags flags, int pages)
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        foreach (bool anonymous in new[] { true, false })
        {
            var process = bench.Start();
            process.Map(anonymous ? MapRequest.Anonymous(4 * Page, Rights.ReadWrite) : new MapRequest(4 * Page, Rights.ReadWrite) { File = file });
            for (int page = 0; page < 4; page++)
            {
                process.Store(At + (page * Page), (byte)(page + 1));
            }

            var child = process.Fork();
            var target = At + (2 * Mebi) - (2 * Page);
            var result = process.Space.Remap(At, 4 * Page, pages * Page, flags, target);
            Assert.Equal(target, result.Value);
            bench.Sound();
            for (int page = 0; page < pages; page++)
            {
                Assert.Equal(page < 4 ? page + 1 : 0, process.Load(target + (page * Page)));
            }

            bool left = (flags & RemapFlags.DontUnmap) != 0;
            Assert.Equal(left ? AccessOutcome.Completed : AccessOutcome.NotMapped, process.LoadOutcome(At));
            Assert.Equal(left ? 2 : 1, process.Space.Areas.Count);
            process.Store(target, 9);
            Assert.Equal(1, child.Load(At));
            bench.Sound();
        }
    }

    [Fact]
    public void A_private_page_that_was_moved_is_gone_when_the_file_is_truncated_below_it()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.Start();
        process.Map(MapRequest.PrivateFile(file, Rights.ReadWrite));
        process.Store(At + (3 * Mebi), 1);
        Assert.True(process.Space.Remap(At, 4 * Mebi, 4 * Mebi, MoveTo, At + Gibi + Page).Succeeded);
        Assert.Equal(1, process.Load(At + Gibi + Page + (3 * Mebi)));
        bench.Does(file.SetSize(Mebi));
        Assert.Equal(AccessOutcome.BusError, process.LoadOutcome(At + Gibi + Page + (3 * Mebi)));
    }

    [Fact]
    public void Growing_and_shrinking_in_place_keep_the_sharing()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(2 * Gibi);
        var (one, other) = (bench.Start(), bench.StartSharers(1, file)[0]);
        one.Map(new MapRequest(Gibi, Rights.ReadWrite) { File = file, Shared = true });
        other.Store(At + Gibi, 3);
        Assert.Equal(At, one.Space.Remap(At, Gibi, 2 * Gibi).Value);
        bench.Sound();
        Assert.Equal(((0, 0, 0, 1), true), (one.Own, one.Sees(At + Gibi)));
        Assert.Equal(At, one.Space.Remap(At, 2 * Gibi, Gibi).Value);
        bench.Sound();
        Assert.Equal(AccessOutcome.NotMapped, one.LoadOutcome(At + Gibi));
        Assert.Equal([(0, Gibi / Page, Rights.ReadWrite)], one.Pages);
        Assert.Equal(3, other.Load(At + Gibi));
    }

    [Fact]
    public void An_old_size_of_0_makes_a_second_mapping_of_the_same_pages()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite) with { Shared = true });
        process.Store(At + Page, 1);
        Assert.Equal(At + Gibi, process.Space.Remap(At + Page, 0, Page, MoveTo, At + Gibi).Value);
        bench.Sound();
        process.Store(At + Gibi, 2);
        Assert.Equal((2, 2), (process.Load(At + Page), process.Load(At + Gibi)));
    }

    [Fact]
    public void What_DONTUNMAP_leaves_is_empty_and_not_locked_and_what_moved_has_no_user_fault_handler()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite));
        process.Store(At, 1);
        Assert.Equal(Errno.None, process.Space.LockMemory(At, 2 * Page));
        Assert.Equal(Errno.None, process.Space.RegisterUserFaults(At, 2 * Page, UserFaultModes.WriteProtect, new UserFaultRecorder()));
        bench.Does(process.Space.UserWriteProtect(At, Page, true));
        Assert.True(process.Space.Remap(At, 2 * Page, 2 * Page, MoveTo | RemapFlags.DontUnmap, At + Gibi).Succeeded);
        Assert.Equal([AreaFlags.UserWriteProtect, AreaFlags.Locked], process.Space.Areas.Select(area => area.Flags));
        process.Store(At + Gibi, 2);
        Assert.Equal((0, 2), (process.Load(At), process.Load(At + Gibi)));
        bench.Sound();
    }

    [Fact]
    public void Every_bad_argument_has_its_errno_and_changes_nothing()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.StartSharers(1, file)[0];
        process.Map(MapRequest.Anonymous(4 * Page, Rights.ReadWrite), At + Gibi);
        process.Store(At + Gibi, 1);
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + Gibi + (4 * Page));
        process.Map(MapRequest.SharedFile(bench.HugeFile(8 * Mebi), Rights.ReadWrite), At + (2 * Gibi));
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + (3 * Gibi));
        Assert.Equal(Errno.None, process.Space.Seal(At + (3 * Gibi), Page));
        var anonymous = At + Gibi;
        var space = process.Space;
        bench.Fails(Errno.EINVAL, () => space.Remap(At + 1, Page, Page));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, 0));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, -1, Page));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, Page, (RemapFlags)8));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, Page, RemapFlags.Fixed, At + (4 * Gibi)));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, Page, RemapFlags.DontUnmap));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, 2 * Page, RemapFlags.DontUnmap | RemapFlags.MayMove));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, Page, MoveTo, At + 1));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, 4 * Page, 4 * Page, MoveTo, anonymous + (2 * Page)));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, Page, MoveTo, space.UserEnd));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, 0, Page, RemapFlags.MayMove));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, 0, Page));
        bench.Fails(Errno.EFAULT, () => space.Remap(At + (5 * Gibi), Page, Page));
        bench.Fails(Errno.EFAULT, () => space.Remap(anonymous, 5 * Page, 5 * Page, RemapFlags.MayMove));
        bench.Fails(Errno.ENOMEM, () => space.Remap(anonymous, 4 * Page, 8 * Page));
        bench.Fails(Errno.ENOMEM, () => space.Remap(anonymous, 4 * Page, 1L << 47, RemapFlags.MayMove));
        bench.Fails(Errno.EPERM, () => space.Remap(At + (3 * Gibi), Page, 2 * Page));
        bench.Fails(Errno.EPERM, () => space.Remap(anonymous, Page, Page, MoveTo, At + (3 * Gibi)));
        bench.Fails(Errno.EPERM, () => space.Remap(anonymous, Page, Page, MoveTo, new VirtualAddress(0x1000)));
        bench.Fails(Errno.EINVAL, () => space.Remap(At + (2 * Gibi) + Page, 2 * Mebi, 2 * Mebi));
        bench.Fails(Errno.EINVAL, () => space.Remap(At + (2 * Gibi), 8 * Mebi, 10 * Mebi));
        bench.Fails(Errno.EINVAL, () => space.Remap(At + (2 * Gibi), 2 * Mebi, 2 * Mebi, MoveTo, At + (6 * Gibi) + Page));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, Page, Page, MoveTo, At + (2 * Gibi)));
    }
}
