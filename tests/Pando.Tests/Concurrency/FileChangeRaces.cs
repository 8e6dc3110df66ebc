#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>Changes of a file's layout beside faults, and beside spaces that leave its tables, copy, fork and end.</summary>
public class FileChangeRaces
{
    [Fact]
    public void Hazard_28_a_fault_beside_a_hole_and_a_truncation_shows_what_the_file_has() => Explorer.Explore(FaultsBesideHoleAndTruncation);

    [Fact]
    public void Hazard_33_exit_beside_a_change_of_the_file_and_a_fork_keeps_the_order_of_locks() => Explorer.Explore(ExitBesideChangeAndFork);

    [Fact]
    public void Hazard_38_a_hole_a_migration_and_a_truncation_wait_for_each_other_in_one_order() => Explorer.Explore(ThreeChanges);

    [Fact]
    public void Hazard_39_a_store_that_must_change_the_file_holds_nothing_that_the_change_waits_for() => Explorer.Explore(StoresToHoles);

    [Fact]
    public void Hazard_41_who_leaves_a_table_while_the_file_changes_takes_no_leaf_along()
    {
        // The path on which nothing is taken along is among them.
        long dropped = 0;
        Explorer.Explore(() => UnmapPartBesideHole(machine => dropped += machine.Count(TableEvent.DivergedToNothing)), name: nameof(UnmapPartBesideHole));
        Assert.True(dropped > 0);
    }

    [Fact]
    public void Hazard_44_a_change_of_the_file_beside_one_of_the_space_finds_every_private_leaf() => Explorer.Explore(HoleBesideProtectOfOwnTables);

    [Fact]
    public void Fork_beside_truncation_leaves_no_copy_past_the_end_in_parent_or_child() => Explorer.Explore(ForkBesideTruncation);

    [Fact]
    public void A_store_to_private_memory_beside_a_hole_copies_old_bytes_or_zeroes() => Explorer.Explore(PrivateStoreBesideHole);

    [Fact]
    public void A_store_to_private_memory_beside_truncation_leaves_no_copy_past_the_end() => Explorer.Explore(PrivateStoreBesideTruncation);

    [Fact]
    public void Migration_beside_a_change_of_the_end_loses_no_page() => Explorer.Explore(MigrationBesideSizes);

    [Fact]
    public void Exit_of_a_space_with_leaves_of_its_own_beside_a_hole() => Explorer.Explore(ExitBesideHole);

    [Fact]
    public void Coming_back_to_a_files_table_beside_a_hole_brings_no_old_leaf() => Explorer.Explore(ConvergeBesideHole);

    [Fact]
    public void Leaving_a_table_by_protecting_a_part_beside_a_hole_takes_no_old_leaf_along() => Explorer.Explore(ProtectPartBesideHole);

    [Fact]
    public void Two_stores_to_one_private_page_of_a_file_copy_it_once() => Explorer.Explore(TwoStoresToOnePage);

    [Fact]
    public void Two_stores_to_one_private_page_beside_a_fork_copy_it_once_for_each() => Explorer.Explore(TwoStoresBesideFork);

    [Fact]
    public void A_large_leaf_that_one_space_splits_beside_a_hole_in_it_shows_the_hole() => Explorer.Explore(SplitBesideHole);

    [Fact]
    public void Small_leaves_that_join_beside_a_fault_and_one_who_leaves() => Explorer.Explore(JoinBesideFault);

    [Fact]
    public void A_move_beside_a_hole_takes_no_old_leaf_along() => Explorer.Explore(MoveBesideHole);

    [Fact]
    public void A_shift_of_the_file_beside_faults_shows_each_page_where_it_lies() => Explorer.Explore(ShiftBesideFaults);

    [Fact]
    public void A_fault_beside_a_truncation_leaves_no_page_past_the_end() => Explorer.Explore(FirstStoreBesideTruncation);

    internal static Scenario FirstStoreBesideTruncation()
    {
        var world = new RaceWorld();
        var file = world.MemoryFile(4 * Page);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        return world.Race(
            () => Assert.Equal(1, file.Frames.Data),
            () => space.Fault(At + (2 * Page), AccessKind.Write),
            () => Succeeds(file.SetSize(Page)));
    }

    internal static Scenario FaultsBesideHoleAndTruncation()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (one, two) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.Read)));
        Resolves(two, 0, AccessKind.Read);
        return world.Race(
            () =>
            {
                foreach (var space in (AddressSpace[])[one, two])
                {
                    world.ShowsAtMost(space, 0, file, 0);
                    Assert.Null(world.Shown(space, Page));
                }
            },
            () =>
            {
                Resolves(one, 0, AccessKind.Write);
                one.Fault(At + Page, AccessKind.Write);
            },
            () => Succeeds(file.PunchHole(0, Page)),
            () => Succeeds(file.SetSize(Page)));
    }

    internal static Scenario ExitBesideChangeAndFork()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (ending, other) = (world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite)), world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite)));
        Resolves(ending, 0, AccessKind.Write);
        Resolves(other, 0, AccessKind.Write);
        AddressSpace? child = null;
        return world.Race(
            () =>
            {
                Assert.Null(world.Shown(other, Page));
                Assert.Equal(world.Shown(other, 0), world.Shown(child!, 0));
            },
            ending.Exit,
            () => Succeeds(file.SetSize(Page)),
            () => child = other.Fork());
    }

    internal static Scenario ThreeChanges()
    {
        var world = new RaceWorld();
        var file = world.DaxFile(64 * Page);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        Resolves(space, 2 * Page, AccessKind.Read);
        long place = file.Extents[0].DeviceOffset;
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, file, 0);
                Assert.Null(world.Shown(space, 2 * Page));
                Assert.DoesNotContain(file.Extents, extent => extent.DeviceOffset < place + (4 * Page));
            },
            () => Succeeds(file.PunchHole(Page, Page)),
            () => Succeeds(world.Device.Migrate(place, 4 * Page)),
            () => Succeeds(file.SetSize(2 * Page)));
    }

    internal static Scenario StoresToHoles()
    {
        var world = new RaceWorld();
        var file = world.Holes();
        var (shared, copy) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite)));
        Resolves(copy, 0, AccessKind.Read);
        return world.Race(
            () =>
            {
                Assert.Equal(file.Locate(0), world.Shown(shared, 0));
                Assert.NotNull(world.Shown(copy, 0));
                Assert.NotEqual(file.Locate(0), world.Shown(copy, 0));
            },
            () => Resolves(shared, 0, AccessKind.Write),
            () => Resolves(copy, 0, AccessKind.Write),
            () => Succeeds(file.WriteBack()));
    }

    internal static Scenario UnmapPartBesideHole() => UnmapPartBesideHole(_ => { });

    private static Scenario UnmapPartBesideHole(Action<Machine> look)
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var (space, other) = (world.Space(request), world.Space(request));
        Resolves(space, 0, AccessKind.Write);
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, file, 0);
                world.ShowsAtMost(other, 0, file, 0);
                look(world.Machine);
            },
            () => Succeeds(space.Unmap(At + (3 * Page), Page)),
            () => Succeeds(file.PunchHole(0, Page)),
            () => Resolves(other, 0, AccessKind.Read));
    }

    internal static Scenario HoleBesideProtectOfOwnTables()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        Succeeds(space.Unmap(At + (3 * Page), Page));
        Resolves(space, 0, AccessKind.Read);
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, file, 0);
                Assert.Null(world.Tables.Translate(space, At, AccessKind.Write));
            },
            () => Succeeds(space.Protect(At, Page, Rights.Read)),
            () => Succeeds(file.PunchHole(0, Page)),
            () => Resolves(space, 0, AccessKind.Read));
    }

    internal static Scenario ForkBesideTruncation()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var parent = world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite));
        Resolves(parent, 0, AccessKind.Write);
        Resolves(parent, Page, AccessKind.Write);
        AddressSpace? child = null;
        return world.Race(
            () =>
            {
                Assert.Null(world.Shown(parent, Page));
                Assert.Null(world.Shown(child!, Page));
                Assert.NotNull(world.Shown(child!, 0));
            },
            () => child = parent.Fork(),
            () => Succeeds(file.SetSize(Page)),
            () => Resolves(parent, 0, AccessKind.Write));
    }

    internal static Scenario PrivateStoreBesideHole()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (space, other) = (world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.Read)));
        world.ByteOf(file, 0) = 7;
        Resolves(other, 0, AccessKind.Read);
        DaxFile? taker = null;
        return world.Race(
            () =>
            {
                byte copied = world.Machine.Memory.Bytes(world.Shown(space, 0)!.Value, 1)[0];
                Assert.True(copied is 0 or 7, $"The copy has {copied}, which was another file's.");
                world.ShowsAtMost(other, 0, file, 0);
                taker!.Dispose();
            },
            () => Assert.Equal(FaultKind.Copied, space.Fault(At, AccessKind.Write).Kind),
            () =>
            {
                // The place of the page is given to another file at once.
                var place = file.Extents[0].DeviceOffset;
                Succeeds(file.PunchHole(0, Page));
                taker = world.Device.CreateFile("taker", Page, [new FileExtent(0, place, Page)]);
                world.ByteOf(taker, 0) = 99;
            });
    }

    internal static Scenario PrivateStoreBesideTruncation()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite));
        Resolves(space, Page, AccessKind.Read);
        return world.Race(
            () =>
            {
                Assert.Null(world.Shown(space, Page));
                Assert.Null(world.Shown(space, 2 * Mebi));
            },
            () => space.Fault(At + Page, AccessKind.Write),
            () => Succeeds(file.SetSize(Page)),
            () => space.Fault(At + (2 * Mebi), AccessKind.Write));
    }

    internal static Scenario MigrationBesideSizes()
    {
        var world = new RaceWorld();
        var file = world.DaxFile(8 * Page);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        world.ByteOf(file, 0) = 1;
        world.ByteOf(file, Page) = 2;
        Resolves(space, 0, AccessKind.Read);
        long place = file.Extents[0].DeviceOffset;
        return world.Race(
            () =>
            {
                Assert.Equal((1, 2, 0), (world.ByteOf(file, 0), world.ByteOf(file, Page), world.ByteOf(file, 2 * Page)));
                world.ShowsAtMost(space, 0, file, 0);
                Assert.Equal(8 * Page, world.Device.RetiredBytes);
            },
            () => Succeeds(world.Device.Migrate(place, 8 * Page)),
            () =>
            {
                Succeeds(file.SetSize(Page + 100));
                Succeeds(file.SetSize(4 * Page));
            },
            () => Resolves(space, Page, AccessKind.Read));
    }

    internal static Scenario ExitBesideHole()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (space, other) = (world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        Resolves(space, Page, AccessKind.Write);
        Resolves(space, 0, AccessKind.Read);
        Resolves(other, 0, AccessKind.Read);
        return world.Race(
            () => world.ShowsAtMost(other, 0, file, 0),
            space.Exit,
            () => Succeeds(file.PunchHole(0, 2 * Page)),
            () => world.Machine.Reclaim());
    }

    internal static Scenario ConvergeBesideHole()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var (space, other) = (world.Space(request), world.Space(request));
        Succeeds(space.Protect(At + Page, Page, Rights.Read));
        Resolves(space, 0, AccessKind.Write);
        Resolves(space, Page, AccessKind.Read);
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, file, 0);
                world.ShowsAtMost(other, 0, file, 0);
                world.ShowsAtMost(other, Page, file, Page);
            },
            () => Succeeds(space.Protect(At + Page, Page, Rights.ReadWrite)),
            () => Succeeds(file.PunchHole(0, 2 * Page)),
            () => Resolves(other, 0, AccessKind.Read));
    }

    internal static Scenario ProtectPartBesideHole()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        Resolves(space, Page, AccessKind.Write);
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, file, 0);
                world.ShowsAtMost(space, Page, file, Page);
                Assert.Null(world.Tables.Translate(space, At + Page, AccessKind.Write));
            },
            () => Succeeds(space.Protect(At + Page, Page, Rights.Read)),
            () => Succeeds(file.PunchHole(0, 2 * Page)));
    }

    internal static Scenario TwoStoresToOnePage()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Read);
        return world.Race(
            () =>
            {
                Assert.NotEqual(file.Locate(0), world.Tables.Translate(space, At, AccessKind.Write) ?? file.Locate(0));
                Assert.Equal(1, world.Machine.Count(TableEvent.PageCopied));
            },
            () => Resolves(space, 0, AccessKind.Write),
            () => Resolves(space, 0, AccessKind.Write));
    }

    internal static Scenario TwoStoresBesideFork()
    {
        var world = new RaceWorld();
        var space = world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        var first = space.Fork()!;
        AddressSpace? second = null;
        return world.Race(
            () =>
            {
                var shown = (AddressSpace[])[space, first, second!];
                Assert.All(shown, one => Assert.NotNull(world.Shown(one, 0)));
                foreach (var one in shown.Where(one => world.Tables.Translate(one, At, AccessKind.Write) is not null))
                {
                    // Who may store has the page alone.
                    Assert.Single(shown, other => world.Shown(other, 0) == world.Shown(one, 0));
                }
            },
            () => Resolves(space, 0, AccessKind.Write),
            () => Resolves(space, 0, AccessKind.Write),
            () => second = space.Fork(),
            () => Resolves(first, 0, AccessKind.Write));
    }

    internal static Scenario SplitBesideHole()
    {
        var world = new RaceWorld(largePages: true);
        var file = world.DaxFile();
        var (space, other) = (world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        Resolves(space, 0, AccessKind.Read);
        return world.Race(
            () =>
            {
                Assert.NotEqual(file.Locate(Page), world.Shown(space, Page));
                world.ShowsAtMost(space, 0, file, 0);
                world.ShowsAtMost(other, 0, file, 0);
            },
            () => Resolves(space, Page, AccessKind.Write),
            () => Succeeds(file.PunchHole(0, Page)),
            () => Resolves(other, 0, AccessKind.Write));
    }

    internal static Scenario JoinBesideFault()
    {
        // The hole over 2 MiB gets its storage in one piece: the small leaves make room for a large one.
        var world = new RaceWorld(largePages: true);
        var file = world.Holes();
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var (space, other, leaving) = (world.Space(request), world.Space(request), world.Space(request));
        Resolves(space, 0, AccessKind.Read);
        return world.Race(
            () =>
            {
                Assert.Equal(file.Locate(Page), world.Tables.Translate(space, At + Page, AccessKind.Write));
                world.ShowsAtMost(other, 0, file, 0);
                world.ShowsAtMost(leaving, 0, file, 0);
            },
            () => Resolves(space, Page, AccessKind.Write),
            () => Resolves(other, 0, AccessKind.Read),
            () => Succeeds(leaving.Unmap(At + (2 * Page), Page)));
    }

    internal static Scenario MoveBesideHole()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        Resolves(space, Page, AccessKind.Read);
        return world.Race(
            () =>
            {
                Assert.Null(world.Shown(space, 0));
                Assert.NotNull(world.Shown(space, 8 * Mebi));
                world.ShowsAtMost(space, (8 * Mebi) + Page, file, Page);
            },
            () => Assert.Equal(At + (8 * Mebi), space.Remap(At, 2 * Mebi, 2 * Mebi, RemapFlags.MayMove | RemapFlags.Fixed, At + (8 * Mebi)).Value),
            () => Succeeds(file.PunchHole(0, 2 * Page)),
            () => space.Fault(At + Page, AccessKind.Read));
    }

    internal static Scenario ShiftBesideFaults()
    {
        var world = new RaceWorld();
        var file = world.DaxFile(8 * Page);
        var (shared, copy) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite)));
        Resolves(shared, Page, AccessKind.Read);
        return world.Race(
            () =>
            {
                for (long at = 0; at < 4 * Page; at += Page)
                {
                    world.ShowsAtMost(shared, at, file, at);
                }

                Assert.NotNull(world.Shown(copy, 0));
                Assert.Equal(8 * Page, file.Size);
            },
            () =>
            {
                Succeeds(file.CollapseRange(0, Page));
                Succeeds(file.InsertRange(Page, Page));
            },
            () =>
            {
                Resolves(shared, Page, AccessKind.Read);
                Resolves(shared, 2 * Page, AccessKind.Write);
            },
            () => Resolves(copy, 0, AccessKind.Write));
    }
}
#endif
