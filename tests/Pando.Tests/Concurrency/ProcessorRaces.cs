#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>
/// Processors that load and store with what they remember, beside operations that take it away: no store is lost, and
/// when the operation has returned nobody reaches what it took.
/// </summary>
public class ProcessorRaces
{
    [Fact]
    public void Hazard_16_memory_that_was_unmapped_is_another_s_only_after_the_last_access() => Explorer.Explore(UnmapAndReuse);

    [Fact]
    public void Hazard_16_storage_that_was_truncated_away_is_another_s_only_after_the_last_access() => Explorer.Explore(TruncateAndReuse);

    [Fact]
    public void Stores_beside_a_migration_are_in_the_page_s_new_place() => Explorer.Explore(StoresBesideMigration);

    [Fact]
    public void A_store_that_completes_after_a_write_protection_has_returned_does_not_exist() => Explorer.Explore(StoreBesideProtect);

    [Fact]
    public void A_store_that_completes_after_an_unmap_of_a_part_has_returned_does_not_exist() => Explorer.Explore(StoreBesideUnmapOfAPart);

    [Fact]
    public void A_store_beside_a_write_back_is_written_back_or_marked() => Explorer.Explore(StoreBesideWriteBack);

    [Fact]
    public void Two_first_stores_beside_a_write_back_are_written_back_or_marked() => Explorer.Explore(FirstStoresBesideWriteBack);

    [Fact]
    public void A_hole_within_a_page_beside_stores_clears_its_bytes_and_no_others() => Explorer.Explore(StoresBesideAHoleWithinAPage);

    [Fact]
    public void A_page_copied_on_write_beside_a_reader_of_the_same_space_is_read_from_the_copy() => Explorer.Explore(ReaderBesideCopy);

    [Fact]
    public void Stores_beside_a_fork_are_in_parent_and_child_or_in_the_parent_alone() => Explorer.Explore(StoresBesideFork);

    [Fact]
    public void A_space_that_is_loaded_beside_its_exit_leaves_nothing_in_the_processor() => Explorer.Explore(SwitchBesideExit);

    [Fact]
    public void A_clone_of_a_range_beside_stores_to_it_stays_as_it_was() => Explorer.Explore(StoresBesideClone);

    [Fact]
    public void A_store_to_a_hole_beside_a_reader_of_the_page_of_zeroes_is_read() => Explorer.Explore(StoreToHoleBesideReader);

    [Fact]
    public void Going_back_to_the_files_table_beside_stores_loses_none() => Explorer.Explore(StoresBesideConverge);

    [Fact]
    public void Memory_that_fails_beside_accesses_is_reached_by_none_afterwards() => Explorer.Explore(LoadsBesidePoison);

    private static bool Store(SoftwareProcessor processor, long at, byte value) => processor.TryWrite(At + at, value).IsCompleted;

    /// <summary>One stores 5 over what was there before; another reads the one or the other, and 5 once the store has returned.</summary>
    private static (Action Read, Action Store) StoreOfFive(SoftwareProcessor writer, SoftwareProcessor reader, byte before)
    {
        bool written = false;
        return (
            () =>
            {
                for (int i = 0; i < 2; i++)
                {
                    Point();
                    bool after = written;
                    byte value = Load(reader, 0);
                    Assert.True(after ? value == 5 : value == before || value == 5, $"read {value}");
                }
            },
            () =>
            {
                Assert.True(Store(writer, 0, 5));
                Point();
                written = true;
            });
    }

    private static byte Load(SoftwareProcessor processor, long at)
    {
        var result = processor.TryRead(At + at, out byte value);
        Assert.True(result.IsCompleted, result.ToString());
        return value;
    }

    internal static Scenario UnmapAndReuse()
    {
        var world = new RaceWorld();
        var space = world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite));
        var other = world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite));
        var (processor, another) = (world.Processor(space), world.Processor(other));
        Assert.True(Store(processor, 0, 1));
        return world.Race(
            () => Assert.Equal(9, Load(another, 0)),
            () =>
            {
                for (int i = 0; i < 2; i++)
                {
                    Assert.NotEqual(9, processor.TryRead(At, out byte value).IsCompleted ? value : 0);
                    Store(processor, 0, 3);
                }
            },
            () => Succeeds(space.Unmap(At, Mebi)),
            () =>
            {
                world.Machine.Reclaim();
                Assert.True(Store(another, 0, 9));
            });
    }

    internal static Scenario TruncateAndReuse()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var processor = world.Processor(world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        long place = file.Extents[0].DeviceOffset + Page;
        DaxFile? taker = null;
        Assert.True(Store(processor, Page, 1));
        return world.Race(
            () =>
            {
                Assert.Equal(9, world.ByteOf(taker!, 0));
                taker!.Dispose();
            },
            () =>
            {
                for (int i = 0; i < 2; i++)
                {
                    Assert.NotEqual(9, processor.TryRead(At + Page, out byte value).IsCompleted ? value : 0);
                    Store(processor, Page, 3);
                }
            },
            () =>
            {
                Succeeds(file.SetSize(Page));
                taker = world.Device.CreateFile("taker", Page, [new FileExtent(0, place, Page)]);
                world.ByteOf(taker, 0) = 9;
            });
    }

    internal static Scenario StoresBesideMigration()
    {
        var world = new RaceWorld();
        var file = world.DaxFile(8 * Page);
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var (one, two) = (world.Processor(world.Space(request)), world.Processor(world.Space(request)));
        Assert.True(one.TryAdd(At, 1, out _).IsCompleted);
        long place = file.Extents[0].DeviceOffset;
        void Add(SoftwareProcessor processor)
        {
            Assert.True(processor.TryAdd(At, 1, out _).IsCompleted);
            Assert.True(processor.TryAdd(At, 1, out _).IsCompleted);
        }

        return world.Race(
            () =>
            {
                Assert.Equal(5, world.ByteOf(file, 0));
                Assert.Equal(5, Load(one, 0));
                Assert.NotEqual(place, file.Extents[0].DeviceOffset);
            },
            () => Add(one),
            () => Add(two),
            () => Succeeds(world.Device.Migrate(place, 2 * Page)));
    }

    internal static Scenario StoreBesideProtect()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        var processor = world.Processor(space);
        Assert.True(Store(processor, 0, 1));
        byte seen = 0;
        return world.Race(
            () => Assert.Equal(seen, world.ByteOf(file, 0)),
            () =>
            {
                Store(processor, 0, 2);
                Store(processor, 0, 3);
            },
            () =>
            {
                Succeeds(space.Protect(At, Page, Rights.Read));
                seen = world.ByteOf(file, 0);
            });
    }

    internal static Scenario StoreBesideUnmapOfAPart()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var space = world.Space(request);
        var (processor, sharer) = (world.Processor(space), world.Processor(world.Space(request)));
        Assert.True(Store(processor, 0, 1));
        byte seen = 0;
        return world.Race(
            () => Assert.Equal((seen, (byte)9), (world.ByteOf(file, 0), world.ByteOf(file, Page))),
            () =>
            {
                Store(processor, 0, 2);
                Store(processor, 0, 3);
            },
            () =>
            {
                Succeeds(space.Unmap(At, Page));
                seen = world.ByteOf(file, 0);
            },
            () => Assert.True(Store(sharer, Page, 9)));
    }

    internal static Scenario StoreBesideWriteBack()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var processor = world.Processor(world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        Assert.True(Store(processor, 0, 1));
        byte durable = 0;
        return world.Race(
            () =>
            {
                // The bytes as the write-back's return found them are durable; what was stored later is marked.
                Assert.True(file.DirtyBytes > 0 || world.ByteOf(file, 0) == durable);
                Assert.True(Store(processor, 0, 4));
                Assert.Equal(Page, file.DirtyBytes);
            },
            () =>
            {
                Assert.True(Store(processor, 0, 2));
                Assert.True(Store(processor, 0, 3));
            },
            () =>
            {
                Succeeds(file.WriteBack());
                durable = world.ByteOf(file, 0);
            });
    }

    internal static Scenario FirstStoresBesideWriteBack()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (one, two) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        var (first, second) = (world.Processor(one), world.Processor(two));

        // The second shows the page in a table of its own.
        Succeeds(two.Unmap(At + (3 * Page), Page));
        Assert.Equal(0, Load(first, 0));
        Assert.Equal(0, Load(second, 0));
        byte durable = 0;
        return world.Race(
            () =>
            {
                Assert.True(file.DirtyBytes > 0 || world.ByteOf(file, 0) == durable);
                Assert.True(Store(first, 0, 4));
                Assert.Equal(Page, file.DirtyBytes);
                Succeeds(file.WriteBack());
                Assert.Equal(0, file.DirtyBytes);
                Assert.True(Store(second, 0, 5));
                Assert.Equal(Page, file.DirtyBytes);
            },
            () => Assert.True(Store(first, 0, 2)),
            () => Assert.True(Store(second, 0, 3)),
            () =>
            {
                Succeeds(file.WriteBack());
                durable = world.ByteOf(file, 0);
            });
    }

    internal static Scenario StoresBesideAHoleWithinAPage()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var processor = world.Processor(world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        world.ByteOf(file, 0) = 1;
        world.ByteOf(file, 100) = 1;
        return world.Race(
            () =>
            {
                Assert.Equal((1, 0, 7), (world.ByteOf(file, 0), world.ByteOf(file, 100), world.ByteOf(file, 200)));
                Assert.Equal(7, Load(processor, 200));
            },
            () => Assert.True(Store(processor, 200, 7)),
            () => Succeeds(file.PunchHole(100, 50)),
            () => Succeeds(file.PunchHole(Page - 50, 100)));
    }

    internal static Scenario ReaderBesideCopy()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.PrivateFile(file, Rights.ReadWrite));
        var (reader, writer, another) = (world.Processor(space), world.Processor(space), world.Processor(space));
        world.ByteOf(file, 0) = 1;
        Assert.Equal(1, Load(reader, 0));
        var (read, store) = StoreOfFive(writer, reader, before: 1);
        return world.Race(
            () =>
            {
                Assert.Equal((1, 5), (world.ByteOf(file, 0), Load(reader, 0)));
            },
            read,
            store,
            () => Assert.True(Store(another, Page, 6)));
    }

    internal static Scenario StoresBesideFork()
    {
        var world = new RaceWorld();
        var space = world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite));
        var processor = world.Processor(space);
        Assert.True(Store(processor, 0, 1));
        AddressSpace? child = null;
        byte seen = 0;
        return world.Race(
            () =>
            {
                Assert.Equal(3, Load(processor, 0));
                Assert.Equal(seen, Load(world.Processor(child!), 0));
            },
            () =>
            {
                Assert.True(Store(processor, 0, 2));
                Assert.True(Store(processor, 0, 3));
            },
            () =>
            {
                child = space.Fork();
                Point();
                seen = world.Machine.Memory.Bytes(world.Shown(child!, 0)!.Value, 1)[0];
            });
    }

    internal static Scenario SwitchBesideExit()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (ending, other) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite)));
        var processor = world.Processor(other);
        return world.Race(
            () => Assert.DoesNotContain(processor.Snapshot(), cached => cached.Space == ending),
            () =>
            {
                try
                {
                    processor.Switch(ending);
                }
                catch (InvalidOperationException)
                {
                    return;
                }

                processor.TryRead(At, out byte _, FaultDelivery.ToCaller);
            },
            ending.Exit,
            () =>
            {
                world.Machine.Reclaim();
                Resolves(other, 0, AccessKind.Write);
            });
    }

    internal static Scenario StoresBesideClone()
    {
        var world = new RaceWorld();
        var (source, target) = (world.DaxFile(2 * Page), world.Holes(2 * Page));
        var space = world.Space(MapRequest.SharedFile(source, Rights.ReadWrite));
        Map(space, MapRequest.SharedFile(target, Rights.ReadWrite), 4 * Mebi);
        var processor = world.Processor(space);
        Assert.True(Store(processor, 0, 1));
        byte seen = 0;
        return world.Race(
            () =>
            {
                Assert.Equal((3, seen), (world.ByteOf(source, 0), world.ByteOf(target, 0)));
                Assert.Equal((3, seen), (Load(processor, 0), Load(processor, 4 * Mebi)));
                Assert.True(seen is 1 or 2 or 3);
            },
            () =>
            {
                Assert.True(Store(processor, 0, 2));
                Assert.True(Store(processor, 0, 3));
            },
            () =>
            {
                Succeeds(target.CloneRange(source, 0, Page, 0));
                seen = world.ByteOf(target, 0);
            });
    }

    internal static Scenario StoreToHoleBesideReader()
    {
        var world = new RaceWorld();
        var file = world.Holes(4 * Page);
        var (reader, writer) = (world.Processor(world.Space(MapRequest.SharedFile(file, Rights.Read))), world.Processor(world.Space(MapRequest.SharedFile(file, Rights.ReadWrite))));
        Assert.Equal(0, Load(reader, Page));
        var (read, store) = StoreOfFive(writer, reader, before: 0);
        return world.Race(
            () => Assert.Equal((5, 5), (world.ByteOf(file, 0), Load(reader, 0))),
            read,
            store);
    }

    internal static Scenario StoresBesideConverge()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        var processor = world.Processor(space);
        Succeeds(space.Protect(At + Page, Page, Rights.Read));
        Assert.True(Store(processor, 0, 1));
        return world.Race(
            () =>
            {
                Assert.Equal(3, world.ByteOf(file, 0));
                Assert.True(file.DirtyBytes > 0);
            },
            () =>
            {
                Assert.True(Store(processor, 0, 2));
                Assert.True(Store(processor, 0, 3));
            },
            () => Succeeds(space.Protect(At + Page, Page, Rights.ReadWrite)));
    }

    internal static Scenario LoadsBesidePoison()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (one, two) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.Read)));
        var (first, second) = (world.Processor(one), world.Processor(two));
        Assert.True(Store(first, 0, 1));
        bool failed = false;
        void Access(SoftwareProcessor processor)
        {
            Point();
            bool after = failed;
            var outcome = processor.TryRead(At, out byte _).Outcome;
            Assert.True(outcome == AccessOutcome.HardwarePoison || (!after && outcome == AccessOutcome.Completed), $"{outcome}, after: {after}");
        }

        return world.Race(
            () =>
            {
                Access(first);
                Access(second);
            },
            () => Access(first),
            () =>
            {
                Succeeds(file.Poison(0));
                Point();
                failed = true;
            },
            () => Access(second));
    }
}
#endif
