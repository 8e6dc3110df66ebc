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
    private const RemapFlags LeaveBehind = RemapFlags.MayMove | RemapFlags.DontUnmap;

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
    public void The_new_address_is_a_hint_with_DONTUNMAP_and_says_nothing_where_it_is_not_asked_for()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite));
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + (2 * Page));
        process.Store(At + Page, 1);
        var free = At + Gibi;
        var moved = process.Space.Remap(At, 2 * Page, 3 * Page, RemapFlags.MayMove, free).Value;
        bench.Sound();
        Assert.NotEqual(free, moved);
        Assert.Equal(1, process.Load(moved + Page));

        // Nor need it be one at all.
        var second = process.Space.Remap(moved, 3 * Page, 3 * Page, RemapFlags.MayMove, new VirtualAddress(1));
        Assert.Equal(moved, second.Value);
        Assert.Equal(free, process.Space.Remap(moved, 3 * Page, 3 * Page, LeaveBehind, free).Value);
        Assert.Equal(1, process.Load(free + Page));
        var elsewhere = process.Space.Remap(free, 3 * Page, 3 * Page, LeaveBehind, At + (2 * Page)).Value;
        Assert.NotEqual(At + (2 * Page), elsewhere);
        Assert.Equal(1, process.Load(elsewhere + Page));
        bench.Sound();
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
        var huge = At + (2 * Gibi);
        var space = process.Space;
        bench.Fails(Errno.EINVAL, () => space.Remap(At + 1, Page, Page));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, 0));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, -Page, Page));
        bench.Fails(Errno.ENOMEM, () => space.Remap(At, -1, Page)); // rounded up, it is 0
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, Page, (RemapFlags)8));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, Page, RemapFlags.Fixed, At + (4 * Gibi)));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, Page, RemapFlags.DontUnmap));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, 2 * Page, LeaveBehind));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, Page, MoveTo, At + 1));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, 4 * Page, 4 * Page, MoveTo, anonymous + (2 * Page)));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, 4 * Page, 4 * Page, LeaveBehind, anonymous + (2 * Page)));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, 4 * Page, 4 * Page, LeaveBehind, At + (6 * Gibi) + 1));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, 4 * Page, 4 * Page, LeaveBehind, space.UserEnd));
        bench.Fails(Errno.EINVAL, () => space.Remap(At, Page, Page, MoveTo, space.UserEnd));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, 0, Page, RemapFlags.MayMove));
        bench.Fails(Errno.ENOMEM, () => space.Remap(At, 0, Page));
        bench.Fails(Errno.EFAULT, () => space.Remap(At, 0, 2 * Page, MoveTo, At));
        bench.Fails(Errno.EFAULT, () => space.Remap(At + (5 * Gibi), Page, Page));
        bench.Fails(Errno.EFAULT, () => space.Remap(At + (5 * Gibi), Page, Page, MoveTo, At + (6 * Gibi)));
        bench.Fails(Errno.EFAULT, () => space.Remap(anonymous - Page, 5 * Page, 5 * Page, MoveTo, At + (6 * Gibi)));
        bench.Fails(Errno.EFAULT, () => space.Remap(anonymous, 5 * Page, 6 * Page, RemapFlags.MayMove));
        bench.Fails(Errno.EFAULT, () => space.Remap(anonymous, 5 * Page, 6 * Page, MoveTo, At + (6 * Gibi)));
        bench.Fails(Errno.EFAULT, () => space.Remap(anonymous, 5 * Page, 5 * Page, LeaveBehind));
        bench.Fails(Errno.ENOMEM, () => space.Remap(anonymous, 4 * Page, 8 * Page));
        bench.Fails(Errno.ENOMEM, () => space.Remap(anonymous, 4 * Page, (long)space.UserEnd.Value, RemapFlags.MayMove));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, 4 * Page, (long)space.UserEnd.Value + 1, RemapFlags.MayMove));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, 1L << 50, Page));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, 1L << 50, Page, MoveTo, At + (6 * Gibi)));
        bench.Fails(Errno.EPERM, () => space.Remap(At + (3 * Gibi), Page, 2 * Page));
        bench.Fails(Errno.EPERM, () => space.Remap(At + (3 * Gibi), Page, Page));
        bench.Fails(Errno.EPERM, () => space.Remap(anonymous, Page, Page, MoveTo, At + (3 * Gibi)));
        bench.Fails(Errno.EPERM, () => space.Remap(anonymous, Page, Page, MoveTo, new VirtualAddress(0x1000)));
        bench.Fails(Errno.EPERM, () => space.Remap(anonymous, 4 * Page, Page, MoveTo, new VirtualAddress(0x1000)));
        bench.Fails(Errno.EPERM, () => space.Remap(anonymous, 3 * Gibi, 3 * Gibi, MoveTo, At + (8 * Gibi)));
        bench.Fails(Errno.EPERM, () => space.Remap(anonymous, 3 * Gibi, Page));
        bench.Fails(Errno.EPERM, () => space.Remap(anonymous, 3 * Gibi, Page, MoveTo, At + (8 * Gibi)));
        bench.Fails(Errno.EINVAL, () => space.Remap(huge + Page, 2 * Mebi, 2 * Mebi));
        bench.Fails(Errno.EINVAL, () => space.Remap(huge, 8 * Mebi, 10 * Mebi));
        bench.Fails(Errno.EINVAL, () => space.Remap(huge, 2 * Mebi, 2 * Mebi, MoveTo, At + (6 * Gibi) + Page));
        bench.Fails(Errno.EINVAL, () => space.Remap(huge, 2 * Mebi, 2 * Mebi, LeaveBehind));
        bench.Fails(Errno.EINVAL, () => space.Remap(huge, 2 * Mebi, 2 * Mebi, MoveTo | RemapFlags.DontUnmap, At + (6 * Gibi)));
        bench.Fails(Errno.EINVAL, () => space.Remap(huge, Page, Page, MoveTo, space.UserEnd.AlignDown(2 * Mebi)));
        bench.Fails(Errno.EINVAL, () => space.Remap(huge, 4 * Mebi, Page, MoveTo, space.UserEnd.AlignDown(2 * Mebi)));
        bench.Fails(Errno.EINVAL, () => space.Remap(anonymous, Page, Page, MoveTo, huge));
    }

    [Fact]
    public void A_range_of_several_areas_moves_with_its_gaps_and_what_lies_at_the_target_beside_them_stays()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite));
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + (2 * Page));
        process.Map(MapRequest.PrivateFile(file, Rights.ReadWrite), At + (4 * Mebi));
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite), At + Gibi);
        process.Store(At + Page, 1);
        process.Store(At + (4 * Mebi) + Page, 2);
        process.Store(At + Gibi + Page, 3);
        var target = At + (1024 * Gibi) + (2 * Mebi) - Page;
        process.Map(MapRequest.Anonymous(8 * Mebi, Rights.ReadWrite), target);
        process.Store(target + Page, 8);
        process.Store(target + (3 * Page), 9);

        // All of the first two and the third, and half of the fourth.
        long length = Gibi + (2 * Mebi);
        Assert.Equal(target, process.Space.Remap(At, length, length, MoveTo, target).Value);
        bench.Sound();
        Assert.Equal(
            [
                (At + length, 2 * Mebi, Rights.ReadWrite, file, 2 * Mebi),
                (target, 2 * Page, Rights.ReadWrite, null, 0),
                (target + (2 * Page), Page, Rights.Read, null, 0),
                (target + (3 * Page), (4 * Mebi) - (3 * Page), Rights.ReadWrite, null, 0),
                (target + (4 * Mebi), 4 * Mebi, Rights.ReadWrite, file, 0),
                (target + Gibi, 2 * Mebi, Rights.ReadWrite, file, 0),
            ],
            process.Space.Areas.Select(area => (area.Range.Start, area.Range.Length, area.Rights, area.File, area.Offset)));
        Assert.Equal(
            (1, 0, 9, 2, 3),
            (process.Load(target + Page), process.Load(target + (2 * Page)), process.Load(target + (3 * Page)), process.Load(target + (4 * Mebi) + Page), process.Load(target + Gibi + Page)));
        Assert.All(new[] { At, At + (2 * Page), At + (4 * Mebi), At + Gibi }, at => Assert.Equal(AccessOutcome.NotMapped, process.LoadOutcome(at)));

        // The file reaches its private copies where they have gone.
        bench.Does(file.SetSize(Page));
        Assert.Equal(AccessOutcome.BusError, process.LoadOutcome(target + (4 * Mebi) + Page));
    }

    [Fact]
    public void A_range_of_several_areas_that_is_left_behind_is_empty_and_its_areas_stay_apart()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(4 * Page, Rights.ReadWrite));
        process.Map(MapRequest.Anonymous(2 * Page, Rights.Read), At + (8 * Page));
        process.Store(At + (3 * Page), 1);
        bench.Does(process.Space.LockMemory(At, 4 * Page));
        Assert.Equal(At + Gibi, process.Space.Remap(At + (2 * Page), 7 * Page, 7 * Page, MoveTo | RemapFlags.DontUnmap, At + Gibi).Value);
        bench.Sound();

        // The whole area is unlocked, though only its end was moved.
        Assert.Equal(
            [(At, 4 * Page, 0), (At + (8 * Page), 2 * Page, 0), (At + Gibi, 2 * Page, AreaFlags.Locked), (At + Gibi + (6 * Page), Page, 0)],
            process.Space.Areas.Select(area => (area.Range.Start, area.Range.Length, area.Flags)));
        Assert.Equal((0, 1, 0), (process.Load(At + (3 * Page)), process.Load(At + Gibi + Page), process.Load(At + Gibi + (6 * Page))));
    }

    [Fact]
    public void What_is_left_behind_unlocked_is_not_joined_to_what_it_has_become_like()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(4 * Page, Rights.ReadWrite));
        bench.Does(process.Space.LockMemory(At, 2 * Page));
        Assert.True(process.Space.Remap(At, 2 * Page, 2 * Page, LeaveBehind, At + Gibi).Succeeded);
        (long, AreaFlags)[] apart = [(2 * Page, 0), (2 * Page, 0), (2 * Page, AreaFlags.Locked)];
        Assert.Equal(apart, process.Space.Areas.Select(area => (area.Range.Length, area.Flags)));

        // Nor by a change that changes neither; one that does joins them.
        bench.Does(process.Space.Protect(At, 4 * Page, Rights.ReadWrite));
        bench.Does(process.Space.Advise(At, 4 * Page, Advice.DoFork));
        bench.Does(process.Space.UnlockMemory(At, 4 * Page));
        Assert.Equal(apart, process.Space.Areas.Select(area => (area.Range.Length, area.Flags)));
        bench.Does(process.Space.Protect(At + Page, Page, Rights.Read));
        Assert.Equal([Page, Page, 2 * Page, 2 * Page], process.Space.Areas.Select(area => area.Range.Length));
        bench.Does(process.Space.Protect(At + Page, Page, Rights.ReadWrite));
        Assert.Equal([4 * Page, 2 * Page], process.Space.Areas.Select(area => area.Range.Length));
    }

    [Theory]
    [InlineData(RemapFlags.None)]
    [InlineData(MoveTo)]
    public void Shrinking_cuts_off_whatever_the_rest_of_the_range_has(RemapFlags flags)
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.StartSharers(1, file)[0];
        process.Map(MapRequest.Anonymous(4 * Page, Rights.ReadWrite), At + (6 * Mebi));
        process.Map(MapRequest.Anonymous(4 * Page, Rights.Read), At + (8 * Mebi));
        process.Store(At + Page, 1);
        process.Store(At + (6 * Mebi), 2);
        process.Store(At + (6 * Mebi) + (3 * Page), 3);
        var target = (flags & RemapFlags.Fixed) != 0 ? At + Gibi : At;
        Assert.Equal(target, process.Space.Remap(At, (6 * Mebi) + (2 * Page), 2 * Page, flags, At + Gibi).Value);
        bench.Sound();
        Assert.Equal(
            new[] { (target, 2 * Page), (At + (6 * Mebi) + (2 * Page), 2 * Page), (At + (8 * Mebi), 4 * Page) }.OrderBy(area => area.Item1.Value),
            process.Space.Areas.Select(area => (area.Range.Start, area.Range.Length)));
        Assert.Equal((1, 3), (process.Load(target + Page), process.Load(At + (6 * Mebi) + (3 * Page))));
        Assert.Equal(AccessOutcome.NotMapped, process.LoadOutcome(At + (6 * Mebi)));
    }

    [Fact]
    public void A_length_that_does_not_change_in_place_asks_only_for_the_first_address()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite));
        process.Store(At, 1);
        bench.Fails(Errno.None, () => process.Space.Remap(At, 1L << 46, 1L << 46));
        bench.Fails(Errno.None, () => process.Space.Remap(At, Page, Page, RemapFlags.MayMove, At + 1));
    }

    [Fact]
    public void Of_a_locked_mapping_only_what_grows_is_faulted_in()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite));
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + (4 * Page));
        bench.Does(process.Space.LockMemory(At, 2 * Page, onFault: true));
        Assert.Equal(At, process.Space.Remap(At, 2 * Page, 3 * Page).Value);
        Assert.False(process.Sees(At + (2 * Page)));
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite) with { Locked = true }, At + Gibi);
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + Gibi + (2 * Page));
        var moved = process.Space.Remap(At + Gibi, 2 * Page, 4 * Page, RemapFlags.MayMove).Value;
        bench.Sound();
        Assert.True(process.Sees(moved) && process.Sees(moved + Page) && process.Sees(moved + (2 * Page)) && process.Sees(moved + (3 * Page)));

        // A second mapping of what is shared, of which nothing has been faulted in, is what grows as a whole.
        process.Map(MapRequest.SharedFile(bench.MemoryFile(4 * Page), Rights.ReadWrite) with { Locked = true }, At + (2 * Gibi));
        var second = process.Space.Remap(At + (2 * Gibi), 0, 2 * Page, MoveTo, At + (3 * Gibi)).Value;
        Assert.True(process.Sees(second) && process.Sees(second + Page));
        bench.Sound();
    }

    [Fact]
    public void A_hint_of_DONTUNMAP_is_taken_where_it_is_free_and_is_no_place_otherwise()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite));
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + Gibi);
        process.Store(At, 1);
        var first = process.Space.Remap(At, 2 * Page, 2 * Page, LeaveBehind, At + Gibi).Value;
        Assert.Equal((3, 1), (process.Space.Areas.Count, process.Load(first)));
        Assert.NotEqual(At + Gibi, first);
        Assert.Equal(At + (2 * Gibi), process.Space.Remap(first, 2 * Page, 2 * Page, LeaveBehind, At + (2 * Gibi)).Value);
        Assert.Equal((0, 1), (process.Load(first), process.Load(At + (2 * Gibi))));
        bench.Sound();
    }

    [Fact]
    public void User_faults_are_not_followed_so_that_an_area_with_a_handler_moves_only_alone()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite));
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + (2 * Page));
        bench.Does(process.Space.RegisterUserFaults(At, 2 * Page, UserFaultModes.Missing, new UserFaultRecorder()));
        bench.Fails(Errno.EFAULT, () => process.Space.Remap(At, 3 * Page, 3 * Page, MoveTo, At + Gibi));
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At - Page);
        bench.Fails(Errno.EFAULT, () => process.Space.Remap(At - Page, 2 * Page, 2 * Page, MoveTo, At + Gibi));
        Assert.True(process.Space.Remap(At, Page, Page, MoveTo, At + Gibi).Succeeded);
        Assert.True(process.Space.Remap(At + Page, Page, Page, MoveTo, At + Gibi + Page).Succeeded);
        Assert.Equal(
            [(At - Page, Page, 0), (At + (2 * Page), Page, 0), (At + Gibi, 2 * Page, AreaFlags.None)],
            process.Space.Areas.Select(area => (area.Range.Start, area.Range.Length, area.Flags)));
        bench.Sound();
    }
}
