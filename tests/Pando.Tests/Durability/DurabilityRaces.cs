#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Concurrency;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Durability;

/// <summary>Write-back beside changes of the layout, on storage that forgets: what was stored before is durable when it returns.</summary>
[Collection(Schedules.Name)]
public sealed class DurabilityRaces
{
    [Fact]
    public void Beside_a_range_that_is_taken_out() => Explorer.Explore(() => Beside(file => file.CollapseRange(0, Page)));

    [Fact]
    public void Beside_a_range_that_is_put_in() => Explorer.Explore(() => Beside(file => file.InsertRange(Page, Page)));

    [Fact]
    public void Beside_a_hole_and_a_truncation() => Explorer.Explore(() => Beside(file =>
    {
        var error = file.PunchHole(0, Page + 100);
        return error == Errno.None ? file.SetSize((3 * Page) + 100) : error;
    }));

    [Fact]
    public void Beside_a_migration() => Explorer.Explore(() => Beside(file => file.Device.Migrate(0, 3 * Page)));

    [Fact]
    public void Beside_a_clone_over_a_part() => Explorer.Explore(() => Beside(file => file.CloneRange(file, 2 * Page, Page, 0)));

    [Fact]
    public void Of_the_clone_of_a_file_that_is_written_back_at_the_same_time() => Explorer.Explore(() =>
    {
        var (world, storage, source) = Make();
        var target = world.Known(world.Device.CreateFile("target", 4 * Page, []));
        bool kept = true;
        return world.Race(
            () => Assert.True(kept),
            () => Succeeds(source.WriteBack()),
            () =>
            {
                Succeeds(target.CloneRange(source, 0, 4 * Page, 0));
                Succeeds(target.WriteBack());
                kept = IsKept(storage, target);
            });
    });

    [Fact]
    public void Beside_another_that_fails() => Explorer.Explore(() =>
    {
        var (world, storage, file) = Make();
        bool kept = true;
        var opened = file.Open();
        storage.FailAt = storage.Calls;
        List<Errno> toOne = [];
        List<Errno> toOther = [];
        return world.Race(
            () =>
            {
                // Each is told once, now or the next time.
                toOne.AddRange([file.WriteBack(), file.WriteBack()]);
                toOther.AddRange([opened.WriteBack(), opened.WriteBack()]);
                Assert.Single(toOne, Errno.EIO);
                Assert.Single(toOther, Errno.EIO);
                Assert.True(kept && IsKept(storage, file));
                opened.Dispose();
            },
            () =>
            {
                toOne.Add(file.WriteBack());
                kept &= toOne[0] != Errno.None || IsKept(storage, file);
            },
            () =>
            {
                toOther.Add(opened.WriteBack());
                kept &= toOther[0] != Errno.None || IsKept(storage, file);
            });
    });

    [Fact]
    public void A_store_with_MAP_SYNC_to_a_hole_beside_another_and_a_write_back() => Explorer.Explore(() =>
    {
        var storage = new ForgettingStorage(32 * Page);
        var world = new RaceWorld(storage, storage.Size);
        var file = world.Known(world.Device.CreateFile("holes", 4 * Page, []));
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite) with { Synchronous = true });
        var other = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        bool kept = true;
        return world.Race(
            () => Assert.True(kept),
            () =>
            {
                Resolves(space, 0, AccessKind.Write);
                kept = storage.PossibleMetadata(file).TrueForAll(metadata => metadata!.Extents.Any(extent => extent.FileOffset == 0));
            },
            () => Resolves(other, Page, AccessKind.Write),
            () => Succeeds(file.WriteBack()));
    });

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_store_with_MAP_SYNC_to_a_hole_beside_others_while_a_call_fails(int call) => Explorer.Explore(
        () =>
        {
            var storage = new ForgettingStorage(32 * Page);
            var world = new RaceWorld(storage, storage.Size);
            var file = world.Known(world.Device.CreateFile("holes", 4 * Page, []));
            var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite) with { Synchronous = true });
            var other = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
            storage.FailAt = storage.Calls + call;
            bool kept = true;
            return world.Race(
                () =>
                {
                    Assert.True(kept);
                    storage.FailAt = -1;
                    Store();
                    Assert.True(kept);
                    Resolves(other, Page, AccessKind.Write);
                    _ = file.WriteBack(); // tells of the failure, if nobody was told
                    Succeeds(file.WriteBack());
                },
                Store,
                () => Assert.True(other.Fault(At + Page, AccessKind.Write) is { IsResolved: true } or { Kind: FaultKind.BusError }),
                () => Assert.True(file.WriteBack() is Errno.None or Errno.EIO));

            void Store()
            {
                var result = space.Fault(At, AccessKind.Write);
                Assert.True(result.IsResolved || (result.Kind == FaultKind.BusError && storage.HasFailed), $"{result.Kind}");
                kept &= !result.IsResolved || storage.PossibleMetadata(file).TrueForAll(metadata => metadata!.Extents.Any(extent => extent.FileOffset == 0));
            }
        },
        schedules: 300);

    /// <summary>What a test of single operations cannot miss, since there nobody stores meanwhile.</summary>
    internal static readonly string[] PartsBesideStores = [nameof(DurabilityPart.ShiftRest), nameof(DurabilityPart.CloneSourceRest)];

    public static TheoryData<string> Parts => [.. PartsBesideStores];

    [Fact]
    public void Of_what_is_stored_while_all_that_follows_moves() => Explorer.Explore(() => StoreBesideMove(null));

    [Fact]
    public void Of_what_is_stored_while_a_clone_of_it_is_made() => Explorer.Explore(() => StoreBesideClone(null));

    [Theory]
    [MemberData(nameof(Parts))]
    public void Without_any_one_part_of_it_the_same_schedules_find_it(string name)
    {
        var part = Enum.Parse<DurabilityPart>(name);
        var found = Explorer.Find(() => part == DurabilityPart.ShiftRest ? StoreBesideMove(part) : StoreBesideClone(part), schedules: 2000);
        Assert.NotNull(found.Failure);
        TestContext.Current.TestOutputHelper?.WriteLine($"found in schedule {found.Schedules}: \"{found.Schedule}\"");
        Assert.Contains("is not durable", found.Failure, StringComparison.Ordinal);
    }

    private static Scenario StoreBesideMove(DurabilityPart? without)
    {
        var (world, storage, file) = Make(without);
        var processor = world.Processor(world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        return world.Race(
            () => IsAllDurable(storage, file),
            () => Succeeds(file.CollapseRange(0, Page)),
            () => Assert.True(processor.TryWrite(At + (2 * Page), (byte)0x33).IsCompleted));
    }

    private static Scenario StoreBesideClone(DurabilityPart? without)
    {
        var (world, storage, source) = Make(without);
        var target = world.Known(world.Device.CreateFile("target", 4 * Page, []));
        var processor = world.Processor(world.Space(MapRequest.SharedFile(source, Rights.ReadWrite)));
        return world.Race(
            () => IsAllDurable(storage, target),
            () => Succeeds(target.CloneRange(source, 0, 4 * Page, 0)),
            () => Assert.True(processor.TryWrite(At + (2 * Page), (byte)0x33).IsCompleted));
    }

    /// <summary>A file that is written back is on storage what it is in memory.</summary>
    private static void IsAllDurable(ForgettingStorage storage, DaxFile file)
    {
        Succeeds(file.WriteBack());
        foreach (var extent in file.Extents)
        {
            for (long at = extent.DeviceOffset; at < extent.DeviceEnd; at += Page)
            {
                Assert.True(storage.Read(at, live: true) == storage.Read(at, live: false), $"page {(extent.FileOffset + at - extent.DeviceOffset) / Page} of {file.Name} is not durable after a write-back");
            }
        }
    }

    /// <summary>A file of which a page was stored to; it is written back while something else happens.</summary>
    private static Scenario Beside(Func<DaxFile, Errno> change)
    {
        var (world, storage, file) = Make();
        bool kept = true;
        return world.Race(
            () => Assert.True(kept, "What was stored before the write-back is not durable after it."),
            () =>
            {
                Succeeds(file.WriteBack());
                kept = IsKept(storage, file);
            },
            () => Succeeds(change(file)));
    }

    private static (RaceWorld World, ForgettingStorage Storage, DaxFile File) Make(DurabilityPart? without = null)
    {
        var storage = new ForgettingStorage(32 * Page);
        var world = new RaceWorld(storage, storage.Size);
        world.Device.LeavesOut = without is { } part ? left => left == part : null;
        var file = world.Known(world.Device.CreateFile("data", 4 * Page));
        var processor = world.Processor(world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        Assert.True(processor.TryWrite(At + (2 * Page), (byte)0x22).IsCompleted);
        return (world, storage, file);
    }

    /// <summary>Whether the file has the page that was stored to, wherever that is by then, however a crash may leave it.</summary>
    private static bool IsKept(ForgettingStorage storage, DaxFile file) => storage.PossibleMetadata(file).TrueForAll(
        metadata => metadata!.Extents.Any(extent =>
            Enumerable.Range(0, (int)(extent.Length / Page)).Any(page => storage.Read(extent.DeviceOffset + (page * Page), live: false) == 0x22)));
}
#endif
