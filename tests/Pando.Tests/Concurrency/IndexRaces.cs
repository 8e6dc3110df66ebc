#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>The frames of a file's index are given back beside those who look there, and those who put something in.</summary>
[Collection(Schedules.Name)]
public class IndexRaces
{
    [Fact]
    public void A_first_store_beside_a_hole_over_the_last_page() => Explorer.Explore(StoreBesideHole);

    [Fact]
    public void Two_holes_over_the_last_pages() => Explorer.Explore(TwoHoles);

    [Fact]
    public void A_store_far_off_that_makes_the_index_higher_beside_a_hole() => Explorer.Explore(GrowthBesideHole);

    [Fact]
    public void A_load_beside_a_hole_whose_frame_becomes_private_memory() => Explorer.Explore(LoadBesideHole);

    [Fact]
    public void Stores_beside_a_write_back_that_takes_the_last_mark() => Explorer.Explore(StoreBesideWriteBack);

    [Fact]
    public void A_punch_of_tables_that_are_reclaimed_empty_beside_a_store() => Explorer.Explore(StoreBesideReclaim);

    private static Scenario StoreBesideHole()
    {
        var (world, file, space) = Make();
        Resolves(space, 0, AccessKind.Write);
        return world.Race(
            () => Assert.NotNull(file.Locate(Page)),
            () => Resolves(space, Page, AccessKind.Write),
            () => Succeeds(file.PunchHole(0, Page)));
    }

    private static Scenario TwoHoles()
    {
        var (world, file, space) = Make();
        Resolves(space, 0, AccessKind.Write);
        Resolves(space, 2 * Mebi, AccessKind.Write);
        return world.Race(
            () => Assert.Equal((0, 0), file.Frames),
            () => Succeeds(file.PunchHole(0, Page)),
            () => Succeeds(file.PunchHole(2 * Mebi, Page)));
    }

    private static Scenario GrowthBesideHole()
    {
        var (world, file, space) = Make(4 * Gibi);
        Resolves(space, 0, AccessKind.Write);
        return world.Race(
            () => Assert.True(file.Locate(0) is null && file.Locate(3 * Gibi) is not null),
            () => Resolves(space, 3 * Gibi, AccessKind.Write),
            () => Succeeds(file.PunchHole(0, Page)));
    }

    private static Scenario LoadBesideHole()
    {
        var (world, file, space) = Make();
        Resolves(space, 0, AccessKind.Write);
        var other = world.Space(MapRequest.SharedFile(file, Rights.Read));
        var own = world.Space(MapRequest.Anonymous(8 * Page, Rights.ReadWrite));
        return world.Race(
            () => world.ShowsAtMost(other, 0, file, 0),
            () => Resolves(other, Page, AccessKind.Read),
            () => Succeeds(file.PunchHole(0, 2 * Page)),
            () =>
            {
                world.Machine.Reclaim();
                Resolves(own, 0, AccessKind.Write);
            });
    }

    private static Scenario StoreBesideWriteBack()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        return world.Race(
            () =>
            {
                // The second store was noticed, unless it was written back.
                Assert.True(file.DirtyBytes is 0 or Page, $"{file.DirtyBytes} bytes count as written.");
                Succeeds(file.WriteBack());
                Assert.Equal((0L, 0), (file.DirtyBytes, file.Dirty!.FrameCount));
            },
            () => Resolves(space, Page, AccessKind.Write),
            () => Succeeds(file.WriteBack()));
    }

    private static Scenario StoreBesideReclaim()
    {
        var (world, file, space) = Make();
        Resolves(space, 0, AccessKind.Write);
        Succeeds(file.PunchHole(0, Page));
        return world.Race(
            () => world.ShowsAtMost(space, Page, file, Page),
            () => Resolves(space, Page, AccessKind.Write),
            () => file.Tables.ReclaimEmpty());
    }

    private static (RaceWorld World, MemoryFile File, AddressSpace Space) Make(long size = 4 * Mebi)
    {
        var world = new RaceWorld(SharingLevels.All);
        var file = world.MemoryFile(size);
        return (world, file, world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
    }
}
#endif
