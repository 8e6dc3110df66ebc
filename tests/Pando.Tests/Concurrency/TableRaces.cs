#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tables;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>Files' tables made, attached, left, copied and reclaimed by several threads at once.</summary>
public class TableRaces
{
    [Fact]
    public void Hazard_02_an_attach_beside_exit_and_reclaim_finds_a_live_table_or_makes_one() =>
        Explorer.Explore(AttachBesideExitAndReclaim);

    [Fact]
    public void Hazard_04_two_first_faults_make_one_table() => Explorer.Explore(TwoFirstFaults);

    [Fact]
    public void Hazard_04_tables_of_other_windows_in_one_cell_are_made_and_removed_at_once() => Explorer.Explore(TwoWindowsAndReclaim);

    [Fact]
    public void Hazard_12_who_loses_the_race_for_a_private_table_counts_none() => Explorer.Explore(TwoFirstStores);

    [Fact]
    public void Hazard_13_what_two_processes_fill_in_one_table_beside_a_third_that_leaves_it_is_all_there() => Explorer.Explore(TwoFillOneLeaves);

    [Fact]
    public void Hazard_14_a_fault_whose_table_is_left_meanwhile_writes_into_no_other_process() => Explorer.Explore(FaultBesideStoreToPrivate);

    [Fact]
    public void Hazard_15_a_fault_in_a_table_that_is_left_and_freed_puts_no_slot_into_it() => Explorer.Explore(FaultInATableThatIsFreed);

    [Fact]
    public void Hazard_21_a_walker_in_a_table_that_is_freed_sees_no_other_process() => Explorer.Explore(WalkerBesideReuse);

    [Fact]
    public void Hazard_26_a_space_that_comes_while_another_unmaps_and_memory_is_reclaimed_has_the_files_pages() => Explorer.Explore(MapBesideUnmapAndReclaim);

    [Fact]
    public void Hazard_30_what_is_unmapped_and_mapped_again_beside_faults_shows_the_file() => Explorer.Explore(UnmapAndMapBesideFaults);

    [Fact]
    public void Leaving_a_table_by_a_part_of_it_beside_reclaim_copies_only_what_is_alive() => Explorer.Explore(ProtectPartBesideReclaim);

    [Fact]
    public void Leaving_a_table_beside_small_leaves_of_it_that_join_and_are_reclaimed() => Explorer.Explore(LeaveBesideJoinAndReclaim);

    [Fact]
    public void Coming_back_to_a_files_table_beside_another_who_leaves_it_and_reclaim_keeps_every_count() => Explorer.Explore(ConvergeBesideReclaim);

    [Fact]
    public void Tables_of_512_GiB_are_attached_left_and_reclaimed_at_once() => Explorer.Explore(UpperTables);

    [Fact]
    public void A_file_that_ends_beside_reclaim_gives_each_table_back_once() => Explorer.Explore(EndBesideReclaim);

    internal static Scenario AttachBesideExitAndReclaim()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (leaving, coming) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.Read)));
        Resolves(leaving, 0, AccessKind.Write);
        return world.Race(
            () => Assert.Equal(file.Locate(0), world.Shown(coming, 0)),
            leaving.Exit,
            () => world.Machine.Reclaim(),
            () => Resolves(coming, 0, AccessKind.Read));
    }

    internal static Scenario TwoFirstFaults()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (one, two) = (world.Space(MapRequest.SharedFile(file, Rights.Read)), world.Space(MapRequest.SharedFile(file, Rights.Read)));
        return world.Race(
            () =>
            {
                Assert.Equal((1, 1), (file.Tables.TablesAt(Level.Pte), file.Tables.TablesAt(Level.Pmd)));
                Assert.Equal(1, world.Machine.Count(TableEvent.LeafPopulated));
            },
            () => Resolves(one, 0, AccessKind.Read),
            () => Resolves(two, 0, AccessKind.Read));
    }

    internal static Scenario TwoWindowsAndReclaim()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var whole = world.Space(MapRequest.SharedFile(file, Rights.Read));
        var (one, two) = (world.Machine.CreateSpace(), world.Machine.CreateSpace());
        var half = MapRequest.SharedFile(file, Rights.Read) with { Length = 2 * Mebi };
        Resolves(whole, 0, AccessKind.Read);
        whole.Exit();
        return world.Race(
            () =>
            {
                Assert.Equal(file.Locate(0), world.Shown(one, 0));
                Assert.Equal(file.Locate(0), world.Shown(two, 0));
            },
            () =>
            {
                Map(one, half);
                Resolves(one, 0, AccessKind.Read);
            },
            () =>
            {
                Map(two, half with { Length = Mebi });
                Resolves(two, 0, AccessKind.Read);
            },
            () => world.Machine.Reclaim());
    }

    internal static Scenario TwoFirstStores()
    {
        var world = new RaceWorld();
        var space = world.Space(MapRequest.Anonymous(4 * Mebi, Rights.ReadWrite));
        return world.Race(
            () => Assert.Equal((4, 2L), (space.TableCount, world.Machine.Count(TableEvent.PageCopied))),
            () => Resolves(space, 0, AccessKind.Write),
            () => Resolves(space, Page, AccessKind.Write));
    }

    internal static Scenario TwoFillOneLeaves()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var (one, two, leaving) = (world.Space(request), world.Space(request), world.Space(request));
        Resolves(leaving, 5 * Page, AccessKind.Read);
        return world.Race(
            () =>
            {
                foreach (var space in (AddressSpace[])[one, two])
                {
                    Assert.Equal(file.Locate(0), world.Shown(space, 0));
                    Assert.Equal(file.Locate(Page), world.Shown(space, Page));
                }

                Assert.Null(world.Shown(leaving, 5 * Page));
                Assert.Equal(3, world.Machine.Count(TableEvent.LeafPopulated));
            },
            () =>
            {
                Resolves(one, 0, AccessKind.Write);
                Resolves(one, Page, AccessKind.Read);
            },
            () => Resolves(two, 0, AccessKind.Write),
            () => Succeeds(leaving.Unmap(At + (5 * Page), Page)));
    }

    internal static Scenario FaultBesideStoreToPrivate()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (space, sharer) = (world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        Resolves(space, 0, AccessKind.Read);
        return world.Race(
            () =>
            {
                // What the one copied is its own; what the other read may stand in the file's table, and is the file's.
                Assert.Null(world.Shown(sharer, 2 * Page));
                world.ShowsAtMost(sharer, Page, file, Page);
                world.ShowsAtMost(space, Page, file, Page);
                Assert.NotNull(world.Shown(space, 2 * Page));
                Assert.NotEqual(file.Locate(2 * Page), world.Shown(space, 2 * Page));
            },
            () => Resolves(space, Page, AccessKind.Read),
            () => Assert.Equal(FaultKind.Copied, space.Fault(At + (2 * Page), AccessKind.Write).Kind));
    }

    internal static Scenario FaultInATableThatIsFreed()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite));

        // The table of PTEs exists, but the table of PMDs does not lead to it yet.
        var store = world.Machine.Store;
        var epoch = store.Epochs.Enter();
        store.Detach(file.Tables.Attach(TableKey.For(X64.Geometry, Level.Pte, 0, 0, 4 * Mebi, TableClass.Ordinary), make: true));
        epoch.Dispose();
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, file, 0);
                Assert.NotEqual(file.Locate(2 * Mebi), world.Shown(space, 2 * Mebi));
            },
            () => Resolves(space, 0, AccessKind.Read),
            () => Resolves(space, 2 * Mebi, AccessKind.Write),
            () => world.Machine.Reclaim());
    }

    internal static Scenario WalkerBesideReuse()
    {
        // The reader walks the file's tables while the other space leaves them, they are freed, and their frames, if
        // they were to be had at once, would become the private pages of a third.
        var world = new RaceWorld();
        var file = world.DaxFile();
        var reader = world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite));
        var other = world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite));
        Resolves(reader, 0, AccessKind.Read);
        return world.Race(
            () =>
            {
                world.ShowsAtMost(reader, Page, file, Page);
                var shown = world.Shown(other, 0)!.Value;
                Assert.Equal(FrameKind.Anonymous, world.Machine.Memory.Record(world.Machine.Memory.FrameAt(shown)).Kind);
                Assert.All(world.Machine.Memory.Bytes(shown, (int)Page).ToArray(), value => Assert.Equal(0, value));
            },
            () => Resolves(reader, Page, AccessKind.Read),
            () =>
            {
                Resolves(reader, 2 * Page, AccessKind.Write);
                world.Machine.Reclaim();
            },
            () =>
            {
                world.Machine.Reclaim();
                Resolves(other, 0, AccessKind.Write);
            });
    }

    internal static Scenario MapBesideUnmapAndReclaim()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (leaving, coming) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Machine.CreateSpace());
        Resolves(leaving, 0, AccessKind.Read);
        return world.Race(
            () =>
            {
                Assert.Equal(file.Locate(0), world.Shown(coming, 0));
                Assert.Null(world.Shown(leaving, 0));
            },
            () => Succeeds(leaving.Unmap(At, 4 * Mebi)),
            () =>
            {
                Map(coming, MapRequest.SharedFile(file, Rights.Read));
                Resolves(coming, 0, AccessKind.Read);
            },
            () => world.Machine.Reclaim());
    }

    internal static Scenario UnmapAndMapBesideFaults()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var (space, sharer) = (world.Space(request), world.Space(request));
        Resolves(sharer, Page, AccessKind.Write);
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, file, 0);
                Assert.Equal(file.Locate(Page), world.Shown(sharer, Page));
                Assert.Equal(0, space.TablesAt(Level.Pte));
            },
            () =>
            {
                Succeeds(space.Unmap(At, Page));
                Map(space, request with { Length = Page });
            },
            () => space.Fault(At, AccessKind.Write),
            () => Resolves(sharer, 0, AccessKind.Read));
    }

    internal static Scenario ProtectPartBesideReclaim()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        Resolves(space, 2 * Mebi, AccessKind.Read);
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, file, 0);
                Assert.Null(world.Tables.Translate(space, At + Page, AccessKind.Write));
                Assert.Equal(file.Locate(2 * Mebi), world.Shown(space, 2 * Mebi));
            },
            () => Succeeds(space.Protect(At + Page, Page, Rights.Read)),
            () =>
            {
                world.Machine.Reclaim();
                world.Machine.Reclaim();
            },
            () => Resolves(space, 2 * Mebi, AccessKind.Read));
    }

    internal static Scenario LeaveBesideJoinAndReclaim()
    {
        // While the table of PMDs is copied, the table of PTEs that it leads to is taken out of it, and its frame becomes
        // another process's memory.
        var world = new RaceWorld(largePages: true);
        var file = world.Holes();
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var (space, writer, other) = (world.Space(request), world.Space(request), world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite)));
        Resolves(space, 0, AccessKind.Read);
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, file, 0);
                Assert.Equal(file.Locate(0), world.Shown(writer, 0));
                Assert.NotNull(world.Shown(other, 0));
            },
            () => Succeeds(space.Protect(At + (2 * Mebi), Page, Rights.Read)),
            () => Resolves(writer, 0, AccessKind.Write),
            () =>
            {
                world.Machine.Reclaim();
                Resolves(other, 0, AccessKind.Write);
            });
    }

    internal static Scenario ConvergeBesideReclaim()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var (space, leaving) = (world.Space(request), world.Space(request));
        Resolves(space, 0, AccessKind.Read);
        Succeeds(space.Protect(At + Page, Page, Rights.Read));
        Resolves(space, Page, AccessKind.Read);
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, Page, file, Page);
                Assert.Equal(0, space.TablesAt(Level.Pte));
            },
            () => Succeeds(space.Protect(At + Page, Page, Rights.ReadWrite)),
            leaving.Exit,
            () => world.Machine.Reclaim());
    }

    internal static Scenario UpperTables()
    {
        var world = new RaceWorld(SharingLevels.All);
        var file = world.DaxFile();
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var (space, leaving, coming) = (world.Space(request), world.Space(request), world.Machine.CreateSpace());
        Resolves(space, 0, AccessKind.Read);
        return world.Race(
            () =>
            {
                Assert.Null(world.Shown(space, 0));
                Assert.Equal(file.Locate(0), world.Shown(coming, 0));
            },
            () => Succeeds(space.Unmap(At, Page)),
            leaving.Exit,
            () =>
            {
                Map(coming, request);
                Resolves(coming, 0, AccessKind.Write);
            },
            () => world.Machine.Reclaim());
    }

    internal static Scenario EndBesideReclaim()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        return world.Race(
            () => Assert.True(file.HasEnded),
            space.Exit,
            file.Dispose,
            () => world.Machine.Reclaim());
    }
}
#endif
