#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>Several files on one device, whose space is taken, shared, given back and taken out of use at once.</summary>
public class DeviceRaces
{
    [Fact]
    public void A_hole_that_gets_storage_beside_a_migration_does_not_lie_on_what_is_out_of_use() => Explorer.Explore(AllocateBesideMigration);

    [Fact]
    public void A_clone_beside_a_migration_does_not_lie_on_what_is_out_of_use() => Explorer.Explore(CloneBesideMigration);

    [Fact]
    public void A_clone_beside_a_migration_of_a_part_of_it_moves_that_part_alone() => Explorer.Explore(CloneBesideMigrationOfAPart);

    [Fact]
    public void A_file_that_is_made_beside_a_migration_does_not_lie_on_what_is_out_of_use() => Explorer.Explore(CreateBesideMigration);

    [Fact]
    public void Two_files_that_are_cloned_into_each_other_wait_for_each_other_in_no_circle() => Explorer.Explore(ClonesBothWays);

    [Fact]
    public void A_clone_beside_a_truncation_of_its_source_gives_every_piece_back_once() => Explorer.Explore(CloneBesideTruncation);

    [Fact]
    public void Two_stores_to_a_shared_piece_copy_it_for_each_file() => Explorer.Explore(StoresToBothSidesOfAClone);

    [Fact]
    public void Memory_that_fails_beside_its_migration_and_a_hole() => Explorer.Explore(PoisonBesideMigration);

    [Fact]
    public void A_shift_beside_a_migration_moves_every_page() => Explorer.Explore(ShiftBesideMigration);

    [Fact]
    public void A_write_back_beside_a_migration_leaves_the_copy_marked() => Explorer.Explore(WriteBackBesideMigration);

    [Fact]
    public void A_file_that_ends_beside_a_migration_and_another_is_moved_or_gone() => Explorer.Explore(EndBesideMigration);

    [Fact]
    public void A_clone_beside_stores_to_its_source_shows_it_as_it_was_at_one_moment() => Explorer.Explore(CloneBesideStores);

    [Fact]
    public void A_clone_beside_stores_from_its_end_on_shows_it_as_it_was_at_one_moment() => Explorer.Explore(CloneBesideStoresBackwards);

    [Fact]
    public void A_clone_appears_at_once() => Explorer.Explore(CloneBesideLoads);

    [Fact]
    public void A_collapse_beside_stores_moves_every_page_once() => Explorer.Explore(CollapseBesideStores);

    [Fact]
    public void Space_that_a_collapse_has_cut_out_is_waited_for_by_who_finds_no_other() => Explorer.Explore(CollapseBesideAFullDevice);

    [Fact]
    public void A_truncation_in_pieces_beside_a_fault_and_a_write_back() => Explorer.Explore(TruncationBesideFaultAndWriteBack);

    [Fact]
    public void A_collapse_beside_loads_leaves_nothing_where_it_was() => Explorer.Explore(CollapseBesideLoads);

    [Fact]
    public void A_collapse_beside_a_leaf_that_shows_more_than_moves_leaves_nothing_where_it_was() => Explorer.Explore(CollapseBesideTheLargestLeaf);

    [Fact]
    public void A_collapse_beside_more_faults_than_are_let_in_comes_to_its_end() => Explorer.Explore(CollapseBesideManyFaults);

    [Fact]
    public void A_collapse_whose_write_back_fails_lets_all_come_back() => Explorer.Explore(CollapseThatFails);

    [Fact]
    public void A_clone_beside_loads_of_both_files_leaves_nothing_that_was() => Explorer.Explore(CloneBesideLoadsOfBoth);

    [Fact]
    public void A_page_that_fails_while_its_extent_grows_is_shown_by_nobody() => Explorer.Explore(PoisonBesideGrowingExtent);

    [Fact]
    public void A_page_that_fails_while_it_moves_in_the_file_is_shown_by_nobody() => Explorer.Explore(PoisonBesideInsert);

    [Fact]
    public void A_page_that_fails_while_it_is_cloned_is_shown_by_nobody() => Explorer.Explore(PoisonBesideClone);

    [Fact]
    public void An_insert_beside_a_migration_of_what_moves_leaves_nothing_behind() => Explorer.Explore(InsertBesideMigration);

    internal static Scenario CloneBesideStores() => CloneBesideStores(0, 2 * Mebi);

    internal static Scenario CloneBesideStoresBackwards() => CloneBesideStores(2 * Mebi, 0);

    private static Scenario CloneBesideStores(long first, long second)
    {
        var world = new RaceWorld();
        var (source, target) = (world.Pieces(2), world.Holes(4 * Mebi));
        var processor = world.Processor(world.Space(MapRequest.SharedFile(source, Rights.ReadWrite)));
        Assert.True(processor.TryWrite(At + first, (byte)1).IsCompleted);
        Assert.True(processor.TryWrite(At + second, (byte)1).IsCompleted);
        return world.Race(
            () =>
            {
                Assert.Equal((3, 3), (world.ByteOf(source, first), world.ByteOf(source, second)));

                // What is stored first is there wherever what is stored next is.
                Assert.True(world.ByteOf(target, first) >= world.ByteOf(target, second), $"{world.ByteOf(target, first)}, {world.ByteOf(target, second)}");
            },
            () => Succeeds(target.CloneRange(source, 0, 4 * Mebi, 0)),
            () =>
            {
                Assert.True(processor.TryWrite(At + first, (byte)2).IsCompleted);
                Assert.True(processor.TryWrite(At + second, (byte)2).IsCompleted);
                Assert.True(processor.TryWrite(At + first, (byte)3).IsCompleted);
                Assert.True(processor.TryWrite(At + second, (byte)3).IsCompleted);
            });
    }

    internal static Scenario CloneBesideLoads()
    {
        var world = new RaceWorld();
        var (source, target) = (world.Pieces(2), world.Holes(4 * Mebi));
        world.ByteOf(source, 0) = 5;
        world.ByteOf(source, 2 * Mebi) = 5;
        var processor = world.Processor(world.Space(MapRequest.SharedFile(target, Rights.Read)));
        return world.Race(
            () => Assert.Equal((5, 5), (world.ByteOf(target, 0), world.ByteOf(target, 2 * Mebi))),
            () => Succeeds(target.CloneRange(source, 0, 4 * Mebi, 0)),
            () =>
            {
                var last = processor.TryRead(At + (2 * Mebi), out byte lastByte);
                var first = processor.TryRead(At, out byte firstByte);
                Assert.True(last.IsCompleted && first.IsCompleted);
                Assert.True(firstByte >= lastByte, $"{firstByte}, {lastByte}");
            });
    }

    internal static Scenario CollapseBesideStores()
    {
        var world = new RaceWorld();
        var file = world.Pieces(3);
        world.ByteOf(file, 4 * Mebi) = 7;
        var processor = world.Processor(world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        long before = world.Device.FreeBytes;
        return world.Race(
            () =>
            {
                Assert.Equal((1, 7), (world.ByteOf(file, 0), world.ByteOf(file, 2 * Mebi)));
                Assert.Equal(before + Page, world.Device.FreeBytes);
                Assert.Equal(4 * Mebi, file.Size);
            },
            () => Succeeds(file.CollapseRange(2 * Mebi, 2 * Mebi)),
            () => Assert.True(processor.TryWrite(At, (byte)1).IsCompleted));
    }

    internal static Scenario CollapseBesideAFullDevice()
    {
        var world = new RaceWorld();
        var (file, holes) = (world.Pieces(3), world.Holes(2 * Page));
        var free = world.Device.Space.Snapshot().Free;
        long offset = 0;
        world.Known(world.Device.CreateFile("filler", world.Device.FreeBytes, [.. free.Select(piece => new FileExtent((offset += piece.Length) - piece.Length, piece.Start, piece.Length))]));
        Assert.Equal(0, world.Device.FreeBytes);
        var space = world.Space(MapRequest.SharedFile(holes, Rights.ReadWrite));
        bool collapsed = false;
        return world.Race(
            () => Assert.Equal(4 * Mebi, file.Size),
            () =>
            {
                Succeeds(file.CollapseRange(2 * Mebi, 2 * Mebi));
            },
            () =>
            {
                Point();
                collapsed = file.Size == 4 * Mebi;
                var result = space.Fault(At, AccessKind.Write);
                Assert.True(result.IsResolved || !collapsed, $"The file has been collapsed, and there is no room: {result.Kind}.");
            });
    }

    internal static Scenario TruncationBesideFaultAndWriteBack()
    {
        var world = new RaceWorld();
        var file = world.Pieces(3);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 2 * Mebi, AccessKind.Write);
        Resolves(space, 4 * Mebi, AccessKind.Write);
        return world.Race(
            () =>
            {
                Assert.Null(world.Shown(space, 2 * Mebi));
                Assert.Null(world.Shown(space, 4 * Mebi));
                Assert.Equal(0, file.DirtyBytes);
                Assert.Single(file.Extents);
            },
            () => Succeeds(file.SetSize(Page)),
            () => space.Fault(At + (4 * Mebi), AccessKind.Write),
            () => Succeeds(file.WriteBack()));
    }

    internal static Scenario AllocateBesideMigration()
    {
        var world = new RaceWorld();
        var file = world.Holes(8 * Page);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        return world.Race(
            () =>
            {
                Assert.DoesNotContain(file.Extents, extent => extent.DeviceOffset < 4 * Page);
                Assert.Equal(file.Locate(0), world.Shown(space, 0) ?? file.Locate(0));
                Assert.Equal(4 * Page, world.Device.RetiredBytes);
            },
            () => Resolves(space, 0, AccessKind.Write),
            () =>
            {
                Succeeds(world.Device.Migrate(0, 4 * Page));
                Assert.DoesNotContain(file.Extents, extent => extent.DeviceOffset < 4 * Page);
            });
    }

    internal static Scenario CloneBesideMigration()
    {
        var world = new RaceWorld();
        var (source, target) = (world.DaxFile(2 * Page), world.Holes(2 * Page));
        world.ByteOf(source, 0) = 5;
        long place = source.Extents[0].DeviceOffset;
        return world.Race(
            () =>
            {
                Assert.DoesNotContain(source.Extents.Concat(target.Extents), extent => extent.DeviceOffset < place + (2 * Page));
                Assert.Equal((5, 5), (world.ByteOf(source, 0), world.ByteOf(target, 0)));
                Assert.Equal(2 * Page, world.Device.RetiredBytes);
            },
            () => Succeeds(target.CloneRange(source, 0, 2 * Page, 0)),
            () =>
            {
                Succeeds(world.Device.Migrate(place, 2 * Page));
                Assert.DoesNotContain(source.Extents.Concat(target.Extents), extent => extent.DeviceOffset < place + (2 * Page));
            });
    }

    internal static Scenario CloneBesideMigrationOfAPart()
    {
        // What lies around the part may be given back and taken again: to empty all of it would come to no end.
        var world = new RaceWorld();
        var (source, target) = (world.DaxFile(3 * Page), world.Holes(3 * Page));
        world.ByteOf(source, Page) = 5;
        long place = source.Extents[0].DeviceOffset;
        return world.Race(
            () =>
            {
                Assert.Equal((5, 5), (world.ByteOf(source, Page), world.ByteOf(target, Page)));
                Assert.Equal((world.Device.Start + place, world.Device.Start + place), (source.Locate(0), target.Locate(0)));
                Assert.NotEqual(world.Device.Start + place + Page, target.Locate(Page));
                Assert.Equal(Page, world.Device.RetiredBytes);
            },
            () => Succeeds(target.CloneRange(source, 0, 3 * Page, 0)),
            () => Succeeds(world.Device.Migrate(place + Page, Page)));
    }

    internal static Scenario CreateBesideMigration()
    {
        var world = new RaceWorld();
        var device = world.Device;
        DaxFile? made = null;
        return world.Race(
            () => Assert.DoesNotContain(made!.Extents, extent => extent.DeviceOffset < 4 * Page),
            () => made = world.Known(device.CreateFile("made", 2 * Page)),
            () =>
            {
                Succeeds(device.Migrate(0, 4 * Page));
                Assert.True(made is null || made.Extents.All(extent => extent.DeviceOffset >= 4 * Page));
            });
    }

    internal static Scenario ClonesBothWays()
    {
        var world = new RaceWorld();
        var (one, two) = (world.DaxFile(2 * Page), world.DaxFile(2 * Page));
        world.ByteOf(one, 0) = 1;
        world.ByteOf(two, Page) = 2;
        return world.Race(
            () =>
            {
                Assert.Equal((1, 1), (world.ByteOf(one, 0), world.ByteOf(two, 0)));
                Assert.Equal((2, 2), (world.ByteOf(one, Page), world.ByteOf(two, Page)));
            },
            () => Succeeds(two.CloneRange(one, 0, Page, 0)),
            () => Succeeds(one.CloneRange(two, Page, Page, Page)));
    }

    internal static Scenario CloneBesideTruncation()
    {
        var world = new RaceWorld();
        var (source, target) = (world.DaxFile(2 * Page), world.Holes(2 * Page));
        var space = world.Space(MapRequest.SharedFile(target, Rights.ReadWrite));
        world.ByteOf(source, Page) = 5;
        var outcome = Errno.None;
        return world.Race(
            () =>
            {
                Assert.Equal(outcome == Errno.None ? 5 : 0, world.ByteOf(target, Page));
                world.ShowsAtMost(space, Page, target, Page);
            },
            () =>
            {
                outcome = target.CloneRange(source, 0, 2 * Page, 0);
                Assert.True(outcome is Errno.None or Errno.EINVAL, outcome.ToString());
            },
            () => Succeeds(source.SetSize(Page)),
            () => Resolves(space, Page, AccessKind.Read));
    }

    internal static Scenario StoresToBothSidesOfAClone()
    {
        var world = new RaceWorld();
        var (one, two) = (world.DaxFile(2 * Page), world.Holes(2 * Page));
        world.ByteOf(one, 0) = 5;
        Succeeds(two.CloneRange(one, 0, Page, 0));
        var first = world.Processor(world.Space(MapRequest.SharedFile(one, Rights.ReadWrite)));
        var second = world.Processor(world.Space(MapRequest.SharedFile(two, Rights.ReadWrite)));
        return world.Race(
            () =>
            {
                Assert.Equal((6, 7), (world.ByteOf(one, 0), world.ByteOf(two, 0)));
                Assert.NotEqual(one.Locate(0), two.Locate(0));
            },
            () => Assert.True(first.TryWrite(At, (byte)6).IsCompleted),
            () => Assert.True(second.TryWrite(At, (byte)7).IsCompleted));
    }

    internal static Scenario PoisonBesideMigration()
    {
        var world = new RaceWorld();
        var file = world.DaxFile(4 * Page);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        Resolves(space, Page, AccessKind.Write);
        long place = file.Extents[0].DeviceOffset;
        return world.Race(
            () =>
            {
                world.ShowsAtMost(space, 0, file, 0);
                world.ShowsAtMost(space, Page, file, Page);
                Assert.NotEqual(world.Device.Start + place, world.Shown(space, 0));
                Assert.Equal(4 * Page, world.Device.RetiredBytes + file.Extents.Where(extent => extent.DeviceOffset < place + (4 * Page)).Sum(extent => extent.Length));
            },
            () => Succeeds(world.Device.Poison(place)),
            () => Assert.True(world.Device.Migrate(place, 4 * Page) is Errno.None or Errno.EIO),
            () => Succeeds(file.PunchHole(Page, Page)));
    }

    internal static Scenario CollapseBesideLoads()
    {
        var world = new RaceWorld();
        var file = world.Pieces(6);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 8 * Mebi, AccessKind.Read);
        return world.Race(
            () =>
            {
                Assert.Equal(10 * Mebi, file.Size);
                world.ShowsAtMost(space, 2 * Mebi, file, 2 * Mebi);
                world.ShowsAtMost(space, 8 * Mebi, file, 8 * Mebi);
            },
            () => Succeeds(file.CollapseRange(2 * Mebi, 2 * Mebi)),
            () =>
            {
                Resolves(space, 2 * Mebi, AccessKind.Read);
                Resolves(space, 8 * Mebi, AccessKind.Write);
            });
    }

    internal static Scenario CollapseBesideTheLargestLeaf()
    {
        // The leaf of 1 GiB that fits is not put while a part of what it would show has no leaf to have.
        var world = new RaceWorld(SharingLevels.All, largePages: true, largestPages: true);
        var device = world.Machine.AddPmem(4 * Gibi, PmemBacking.None);
        var file = world.Known(device.CreateFile("file", 2 * Gibi));
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        return world.Race(
            () =>
            {
                Assert.Equal(2 * Gibi - (2 * Mebi), file.Size);
                world.ShowsAtMost(space, 0, file, 0);
                world.ShowsAtMost(space, Gibi / 2, file, Gibi / 2);
                world.ShowsAtMost(space, Gibi, file, Gibi);
            },
            () => Succeeds(file.CollapseRange(Gibi / 2, 2 * Mebi)),
            () =>
            {
                Resolves(space, 0, AccessKind.Read);
                Resolves(space, Gibi / 2, AccessKind.Write);
                Resolves(space, Gibi, AccessKind.Read);
            });
    }

    internal static Scenario CollapseBesideManyFaults()
    {
        var world = new RaceWorld();
        var file = world.Pieces(6);
        var (one, two) = (world.Space(MapRequest.SharedFile(file, Rights.Read)), world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        return world.Race(
            () =>
            {
                Assert.Equal(10 * Mebi, file.Size);
                for (long at = 0; at < 10 * Mebi; at += 2 * Mebi)
                {
                    world.ShowsAtMost(one, at, file, at);
                    world.ShowsAtMost(two, at, file, at);
                }
            },
            () => Succeeds(file.CollapseRange(0, 2 * Mebi)),
            () =>
            {
                for (long at = 0; at < 10 * Mebi; at += 2 * Mebi)
                {
                    Resolves(one, at, AccessKind.Read);
                }
            },
            () =>
            {
                for (long at = 8 * Mebi; at >= 0; at -= 2 * Mebi)
                {
                    Resolves(two, at, AccessKind.Write);
                }
            });
    }

    internal static Scenario CollapseThatFails()
    {
        // The first write-back has one page to make durable; the second, what is stored beside, fails.
        var world = new RaceWorld();
        var file = world.Pieces(3);
        var processor = world.Processor(world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        Assert.True(processor.TryWrite(At, (byte)1).IsCompleted);
        var outcome = Errno.None;
        return world.Race(
            () =>
            {
                world.Storage!.FailNext = null;
                Assert.Equal(outcome == Errno.None ? 4 * Mebi : 6 * Mebi, file.Size);
                Assert.True(processor.TryWrite(At + (2 * Mebi), (byte)3).IsCompleted);
                Succeeds(file.WriteBack());
            },
            () =>
            {
                int calls = 0;
                world.Storage!.FailNext = () => ++calls > 1;
                outcome = file.CollapseRange(0, 2 * Mebi);
                Assert.True(outcome is Errno.None or Errno.EIO, outcome.ToString());
                world.Storage!.FailNext = null;
            },
            () =>
            {
                var read = processor.TryRead(At + (2 * Mebi), out byte _);
                Assert.True(read.IsCompleted);
                processor.TryWrite(At + (2 * Mebi), (byte)2);
            });
    }

    internal static Scenario CloneBesideLoadsOfBoth()
    {
        var world = new RaceWorld();
        var (source, target) = (world.Pieces(3), world.Pieces(3));
        world.ByteOf(source, 4 * Mebi) = 5;
        var (one, two) = (world.Space(MapRequest.SharedFile(source, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(target, Rights.Read)));
        Resolves(one, 4 * Mebi, AccessKind.Write);
        Resolves(two, 4 * Mebi, AccessKind.Read);
        return world.Race(
            () =>
            {
                Assert.Equal(5, world.ByteOf(target, 4 * Mebi));
                world.ShowsAtMost(one, 0, source, 0);
                world.ShowsAtMost(one, 4 * Mebi, source, 4 * Mebi);
                world.ShowsAtMost(two, 0, target, 0);
                world.ShowsAtMost(two, 4 * Mebi, target, 4 * Mebi);
            },
            () => Succeeds(target.CloneRange(source, 0, 6 * Mebi, 0)),
            () =>
            {
                Resolves(one, 4 * Mebi, AccessKind.Write);
                Resolves(one, 0, AccessKind.Read);
            },
            () =>
            {
                Resolves(two, 4 * Mebi, AccessKind.Read);
                Resolves(two, 0, AccessKind.Read);
            });
    }

    internal static Scenario PoisonBesideGrowingExtent()
    {
        // The second page gets the place behind the first: their extent is another than that which was found.
        var world = new RaceWorld();
        var file = world.Known(world.Device.CreateFile("file", 2 * Page, [new FileExtent(0, 0, Page)]));
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, 0, AccessKind.Write);
        return world.Race(
            () =>
            {
                Assert.Null(world.Shown(space, 0));
                Assert.Equal(new FileExtent(0, 0, 2 * Page), Assert.Single(file.Extents));
            },
            () => Succeeds(world.Device.Poison(0)),
            () => Resolves(space, Page, AccessKind.Write));
    }

    internal static Scenario PoisonBesideInsert()
    {
        var world = new RaceWorld();
        var file = world.DaxFile(2 * Page);
        var space = world.Space(MapRequest.SharedFile(file, Rights.Read) with { Length = 3 * Page });
        long place = file.Extents[0].DeviceOffset;
        return world.Race(
            () =>
            {
                Assert.Equal(world.Device.Start + place + Page, file.Locate(2 * Page));
                Assert.Null(world.Shown(space, 2 * Page));
                Assert.Equal(FaultKind.HardwarePoison, space.Fault(At + (2 * Page), AccessKind.Read).Kind);
            },
            () => Succeeds(world.Device.Poison(place + Page)),
            () => Succeeds(file.InsertRange(0, Page)),
            () =>
            {
                space.Fault(At + Page, AccessKind.Read);
                space.Fault(At + (2 * Page), AccessKind.Read);
            });
    }

    internal static Scenario PoisonBesideClone()
    {
        var world = new RaceWorld();
        var (source, target) = (world.DaxFile(2 * Page), world.Holes(2 * Page));
        var (one, two) = (world.Space(MapRequest.SharedFile(source, Rights.Read)), world.Space(MapRequest.SharedFile(target, Rights.Read)));
        Resolves(one, Page, AccessKind.Read);
        long place = source.Extents[0].DeviceOffset;
        return world.Race(
            () =>
            {
                Assert.Equal(source.Locate(Page), target.Locate(Page));
                Assert.Null(world.Shown(one, Page));
                Assert.Null(world.Shown(two, Page));
            },
            () => Succeeds(world.Device.Poison(place + Page)),
            () =>
            {
                Succeeds(target.CloneRange(source, 0, 2 * Page, 0));
                two.Fault(At + Page, AccessKind.Read);
            });
    }

    internal static Scenario InsertBesideMigration()
    {
        var world = new RaceWorld();
        var file = world.DaxFile(3 * Page);
        world.ByteOf(file, 2 * Page) = 5;
        long place = file.Extents[0].DeviceOffset;
        return world.Race(
            () =>
            {
                Assert.Equal(5, world.ByteOf(file, 4 * Page));
                Assert.DoesNotContain(file.Extents, extent => extent.DeviceOffset < place + (3 * Page) && place + Page < extent.DeviceEnd);
            },
            () => Succeeds(world.Device.Migrate(place + Page, 2 * Page)),
            () =>
            {
                Succeeds(file.InsertRange(2 * Page, Page));
                Succeeds(file.InsertRange(Page, Page));
            });
    }

    internal static Scenario ShiftBesideMigration()
    {
        var world = new RaceWorld();
        var file = world.DaxFile(4 * Page);
        world.ByteOf(file, 0) = 1;
        world.ByteOf(file, Page) = 2;
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(space, Page, AccessKind.Read);
        long place = file.Extents[0].DeviceOffset;
        return world.Race(
            () =>
            {
                Assert.Equal((1, 0, 2), (world.ByteOf(file, 0), world.ByteOf(file, Page), world.ByteOf(file, 2 * Page)));
                Assert.DoesNotContain(file.Extents, extent => extent.DeviceOffset < place + (4 * Page));
                world.ShowsAtMost(space, Page, file, Page);
            },
            () => Succeeds(file.InsertRange(Page, Page)),
            () => Succeeds(world.Device.Migrate(place, 4 * Page)),
            () => Resolves(space, 0, AccessKind.Read));
    }

    internal static Scenario WriteBackBesideMigration()
    {
        var world = new RaceWorld();
        var file = world.DaxFile(2 * Page);
        var processor = world.Processor(world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        Assert.True(processor.TryWrite(At, (byte)1).IsCompleted);
        long place = file.Extents[0].DeviceOffset;
        byte durable = 0;
        return world.Race(
            () =>
            {
                Assert.Equal(2, world.ByteOf(file, 0));
                Assert.True(file.DirtyBytes > 0 || durable == 2);
                Assert.NotEqual(place, file.Extents[0].DeviceOffset);
            },
            () => Assert.True(processor.TryWrite(At, (byte)2).IsCompleted),
            () =>
            {
                Succeeds(file.WriteBack());
                durable = world.ByteOf(file, 0);
            },
            () => Succeeds(world.Device.Migrate(place, Page)));
    }

    internal static Scenario EndBesideMigration()
    {
        var world = new RaceWorld();
        var (ending, other) = (world.DaxFile(2 * Page), world.DaxFile(2 * Page));
        var space = world.Space(MapRequest.SharedFile(ending, Rights.ReadWrite));
        long place = other.Extents[0].DeviceOffset;
        return world.Race(
            () =>
            {
                Assert.True(ending.HasEnded);
                Assert.DoesNotContain(other.Extents, extent => extent.DeviceOffset < place + (2 * Page));
            },
            space.Exit,
            ending.Dispose,
            () => Succeeds(world.Device.Migrate(0, place + (2 * Page))));
    }
}
#endif
