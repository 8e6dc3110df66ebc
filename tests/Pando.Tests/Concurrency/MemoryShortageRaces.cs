#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Hardware;
using Pando.Spaces;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>Operations that allocate, where every free frame waits until nobody can see it: none of them finds memory out.</summary>
public class MemoryShortageRaces
{
    [Fact]
    public void Two_stores_beside_a_load_find_the_frames_that_wait() => Explorer.Explore(StoresBesideLoad);

    [Fact]
    public void A_fork_and_a_move_beside_a_load_find_the_frames_that_wait() => Explorer.Explore(ForkAndMoveBesideLoad);

    [Fact]
    public void A_store_beside_a_truncation_and_a_load_finds_the_frames_that_wait() => Explorer.Explore(StoreBesideTruncation);

    internal static Scenario StoresBesideLoad()
    {
        var (world, space, other, giveBack) = Short(waiting: 4);
        return world.Race(
            giveBack,
            () => Resolves(space, Page, AccessKind.Write),
            () => Resolves(other, Page, AccessKind.Write),
            () => Resolves(other, 2 * Page, AccessKind.Read));
    }

    internal static Scenario ForkAndMoveBesideLoad()
    {
        // A fork takes the root and three tables; the move sets aside twice three and uses none, then the page's own.
        var (world, space, other, giveBack) = Short(waiting: 24);
        return world.Race(
            giveBack,
            () => Assert.NotNull(space.Fork()),
            () => Assert.Equal(Errno.None, other.Remap(At, Page, Page, RemapFlags.MayMove | RemapFlags.Fixed, At + (8 * Page)).Error),
            () => Resolves(space, 2 * Page, AccessKind.Read));
    }

    internal static Scenario StoreBesideTruncation()
    {
        RaceWorld? made = null;
        var (world, space, other, giveBack) = Short(waiting: 3, prepare: world => made = world);
        var file = made!.Known(world.Machine.CreateMemoryFile("memory", 0));
        return world.Race(
            giveBack,
            () => Resolves(space, Page, AccessKind.Write),
            () => Succeeds(file.SetSize(Page)),
            () => Resolves(other, 2 * Page, AccessKind.Read));
    }

    /// <summary>A world of two spaces with their tables, in which no frame is free and some wait.</summary>
    private static (RaceWorld World, AddressSpace One, AddressSpace Two, Action GiveBack) Short(int waiting, Action<RaceWorld>? prepare = null)
    {
        var world = new RaceWorld();
        prepare?.Invoke(world);
        var (one, two) = (world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite)), world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite)));
        Resolves(one, 0, AccessKind.Write);
        Resolves(two, 0, AccessKind.Write);
        var leaving = world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite));
        for (int page = 0; page < waiting; page++)
        {
            Resolves(leaving, page * Page, AccessKind.Write);
        }

        var frames = world.Machine.Store.Frames;
        var taken = new List<Frame>();
        while (frames.TryAllocate(FrameKind.Bad, zero: false, out var frame))
        {
            taken.Add(frame);
        }

        Succeeds(leaving.Advise(At, waiting * Page, Advice.DontNeed));
        Assert.True(world.Machine.Store.Retired.Count >= waiting);
        return (world, one, two, () => taken.ForEach(frames.Free));
    }
}
#endif
