#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Concurrency;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>Operations of one space beside faults in it, beside its end, and where memory is short.</summary>
public class SpaceRaces
{
    [Fact]
    public void A_fault_beside_the_end_of_its_space_is_resolved_or_finds_nothing() => Explorer.Explore(FaultBesideExit);

    [Fact]
    public void A_map_over_another_beside_faults_shows_the_one_or_the_other() => Explorer.Explore(MapOverBesideFaults);

    [Fact]
    public void Dropping_pages_beside_stores_leaves_a_fresh_page_or_the_stored_one() => Explorer.Explore(DontNeedBesideStore);

    [Fact]
    public void Populating_a_range_beside_a_hole_shows_what_the_file_has() => Explorer.Explore(PopulateBesideHole);

    [Fact]
    public void A_fault_past_the_end_beside_growth_is_resolved_or_a_bus_error() => Explorer.Explore(FaultBesideGrowth);

    [Fact]
    public void A_synchronous_store_beside_a_change_of_metadata_waits_until_they_are_durable() => Explorer.Explore(SynchronousStoreBesideChange);

    [Fact]
    public void A_copy_of_a_huge_page_s_part_beside_truncation() => Explorer.Explore(HugeFileBesideTruncation);

    [Fact]
    public void Leaving_the_files_tables_for_a_user_fault_handler_beside_truncation() => Explorer.Explore(RegisterBesideTruncation);

    [Fact]
    public void A_move_of_a_shared_mapping_beside_another_s_end_and_reclaim() => Explorer.Explore(MoveBesideExitAndReclaim);

    [Fact]
    public void Forks_of_parent_and_child_beside_a_store() => Explorer.Explore(TwoForks);

    [Fact]
    public void Faults_that_find_memory_out_reclaim_beside_an_exit() => Explorer.Explore(FaultsWithoutMemory);

    [Fact]
    public void Tables_of_512_GiB_beside_truncation_and_a_private_store() => Explorer.Explore(UpperTablesBesideTruncation);

    internal static Scenario FaultBesideExit()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        return world.Race(
            () => Assert.True(space.HasExited),
            () => Assert.True(space.Fault(At, AccessKind.Write) is { IsResolved: true } or { Kind: FaultKind.NotMapped }),
            () => Assert.True(space.Fault(At, AccessKind.Read) is { IsResolved: true } or { Kind: FaultKind.NotMapped }),
            space.Exit,
            () => Succeeds(file.SetSize(2 * Mebi)));
    }

    internal static Scenario MapOverBesideFaults()
    {
        var world = new RaceWorld();
        var (first, second) = (world.DaxFile(), world.DaxFile());
        var space = world.Space(MapRequest.SharedFile(first, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, second, 0);
                world.ShowsAtMost(space, 2 * Page, first, 2 * Page);
            },
            () => Map(space, MapRequest.PrivateFile(second, Rights.Read) with { Length = 2 * Page }),
            () => Resolves(space, 0, AccessKind.Read),
            () => Resolves(space, 2 * Page, AccessKind.Write),
            () => Succeeds(first.PunchHole(0, Page)));
    }

    internal static Scenario DontNeedBesideStore()
    {
        var world = new RaceWorld();
        var space = world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite));
        var (processor, second) = (world.Processor(space), world.Processor(space));
        Assert.True(processor.TryWrite(At, (byte)1).IsCompleted);
        return world.Race(
            () =>
            {
                Assert.True(second.TryRead(At, out byte first).IsCompleted && second.TryRead(At + 1, out byte next).IsCompleted && (first, next) is (2, 0) or (0, 0) or (2, 3) or (0, 3));
            },
            () => Assert.True(processor.TryWrite(At, (byte)2).IsCompleted),
            () => Assert.True(second.TryWrite(At + 1, (byte)3).IsCompleted),
            () => Succeeds(space.Advise(At, Page, Advice.DontNeed)));
    }

    internal static Scenario PopulateBesideHole()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (space, other) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.Read)));
        return world.Race(
            () =>
            {
                for (long at = 0; at < 6 * Page; at += Page)
                {
                    world.ShowsAtMost(space, at, file, at);
                    world.ShowsAtMost(other, at, file, at);
                }
            },
            () => Succeeds(space.Advise(At, 6 * Page, Advice.PopulateWrite)),
            () => Succeeds(file.PunchHole(2 * Page, 2 * Page)),
            () => Succeeds(other.Advise(At, 6 * Page, Advice.PopulateRead)));
    }

    internal static Scenario FaultBesideGrowth()
    {
        var world = new RaceWorld(largePages: true);
        var file = world.DaxFile(4 * Mebi);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Succeeds(file.SetSize((2 * Mebi) + Page));
        Resolves(space, 2 * Mebi, AccessKind.Write);
        bool grown = false;
        return world.Race(
            () => world.ShowsAtMost(space, 2 * Mebi, file, 2 * Mebi),
            () =>
            {
                Point();
                bool after = grown;
                var kind = space.Fault(At + (2 * Mebi) + Page, AccessKind.Write).Kind;
                Assert.True(kind <= FaultKind.Spurious || (kind == FaultKind.BusError && !after), kind.ToString());
            },
            () =>
            {
                Succeeds(file.SetSize(4 * Mebi));
                Point();
                grown = true;
            },
            () => Resolves(space, 2 * Mebi, AccessKind.Read));
    }

    internal static Scenario SynchronousStoreBesideChange()
    {
        var world = new RaceWorld();
        var file = world.Holes(4 * Page);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite) with { Synchronous = true });
        return world.Race(
            () =>
            {
                Assert.Equal(file.Locate(0), world.Shown(space, 0));

                // Every change was made for a store, and each store waited for its own.
                Assert.False(file.HasPendingMetadata);
            },
            () => Resolves(space, 0, AccessKind.Write),
            () => Resolves(space, Page, AccessKind.Write));
    }

    internal static Scenario HugeFileBesideTruncation()
    {
        var world = new RaceWorld(largePages: true, ram: 16 * Mebi);
        var file = world.Known(world.Machine.CreateHugeFile("huge", 4 * Mebi));
        var (space, copy) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.Read)));
        Resolves(space, 2 * Mebi, AccessKind.Write);
        return world.Race(
            () =>
            {
                Assert.Null(world.Shown(space, 2 * Mebi));
                Assert.Null(world.Shown(copy, 2 * Mebi));
                Assert.Equal(file.Locate(0), world.Shown(space, 0));
            },
            () => Resolves(space, 0, AccessKind.Write),
            () => copy.Fault(At + (2 * Mebi), AccessKind.Read),
            () => Succeeds(file.SetSize(2 * Mebi)));
    }

    internal static Scenario RegisterBesideTruncation()
    {
        var world = new RaceWorld();
        var file = world.MemoryFile(8 * Page);
        var (space, sharer) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        Resolves(space, 0, AccessKind.Write);
        Resolves(space, 4 * Page, AccessKind.Write);
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, file, 0);
                Assert.Null(world.Shown(space, 4 * Page));
                Assert.Null(world.Shown(sharer, 4 * Page));
            },
            () => Succeeds(space.RegisterUserFaults(At, 2 * Page, UserFaultModes.WriteProtect, new UserFaultRecorder())),
            () => Succeeds(file.SetSize(4 * Page)),
            () => sharer.Fault(At + (4 * Page), AccessKind.Write));
    }

    internal static Scenario MoveBesideExitAndReclaim()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var (space, leaving) = (world.Space(request), world.Space(request));
        Resolves(space, 0, AccessKind.Write);
        var target = At + (2 * Gibi) + (8 * Mebi);
        return world.Race(
            () =>
            {
                Assert.Null(world.Shown(space, 0));
                Assert.Equal(file.Locate(0), world.Tables.Translate(space, target, AccessKind.Read) ?? file.Locate(0));
            },
            () => Assert.Equal(target, space.Remap(At, 4 * Mebi, 4 * Mebi, RemapFlags.MayMove | RemapFlags.Fixed, target).Value),
            leaving.Exit,
            () => world.Machine.Reclaim());
    }

    internal static Scenario TwoForks()
    {
        var world = new RaceWorld();
        var parent = world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite));
        Resolves(parent, 0, AccessKind.Write);
        var child = parent.Fork()!;
        AddressSpace? second = null, third = null;
        return world.Race(
            () =>
            {
                AddressSpace[] all = [parent, child, second!, third!];
                Assert.All(all, space => Assert.NotNull(world.Shown(space, 0)));
                foreach (var space in all.Where(space => world.Tables.Translate(space, At, AccessKind.Write) is not null))
                {
                    Assert.Single(all, other => world.Shown(other, 0) == world.Shown(space, 0));
                }
            },
            () => second = parent.Fork(),
            () => third = child.Fork(),
            () => Resolves(child, 0, AccessKind.Write));
    }

    internal static Scenario FaultsWithoutMemory()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var leaving = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        var (one, two) = (world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite)), world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite)));
        Resolves(leaving, 0, AccessKind.Write);

        // Every third allocation fails, as if memory were out.
        int asked = 0;
        world.Machine.Store.Omissions[OmittedStep.Allocation] = () => ++asked % 3 == 0 && asked < 30;
        return world.Race(
            () => world.Machine.Store.Omissions[OmittedStep.Allocation] = null,
            () => Assert.True(one.Fault(At, AccessKind.Write) is { IsResolved: true } or { Kind: FaultKind.OutOfMemory }),
            () => Assert.True(two.Fault(At, AccessKind.Write) is { IsResolved: true } or { Kind: FaultKind.OutOfMemory }),
            leaving.Exit);
    }

    internal static Scenario UpperTablesBesideTruncation()
    {
        var world = new RaceWorld(SharingLevels.All);
        var file = world.DaxFile();
        var (space, copy) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite)));
        Resolves(space, Page, AccessKind.Write);
        return world.Race(
            () =>
            {
                Assert.Null(world.Shown(space, Page));
                Assert.Null(world.Shown(copy, Page));
                Assert.NotNull(world.Shown(copy, 0));
                world.ShowsAtMost(space, 0, file, 0);
            },
            () => Resolves(copy, 0, AccessKind.Write),
            () => Succeeds(file.SetSize(Page)),
            () => space.Fault(At + Page, AccessKind.Read));
    }
}
#endif
