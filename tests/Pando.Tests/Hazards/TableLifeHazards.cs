using System.Reflection;
using System.Runtime.InteropServices;
using Pando.Concurrency;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Hazards;

/// <summary>Hazards 1 to 25 (docs/hazards.md): which table is found, who counts it, and what processors remember of it.</summary>
public sealed class TableLifeHazards
{
    [Fact]
    public void Hazard_01_the_same_address_at_another_offset_shows_another_part_of_the_file()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(3 * Gibi);
        var (a, b) = (bench.Start(), bench.Start());
        a.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = Gibi });
        b.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = Gibi, Offset = Gibi });
        a.Store(At, 1);
        b.Store(At, 2);
        Assert.Equal((1, 2), (a.Load(At), b.Load(At)));
        bench.Sound();
    }

    [Fact]
    public void Hazard_03_a_table_that_was_left_is_forgotten_by_the_processor_before_the_call_returns()
    {
        using var bench = new OperationBench();
        var sharers = bench.StartSharers(2, bench.DaxFile(Gibi));
        bench.Does(sharers[0].Space.Unmap(At, Gibi));
        Assert.DoesNotContain(sharers[0].Processor.Snapshot(), cached => cached.Address >= At);
        Assert.True(sharers[1].Sees(At));
    }

    [Fact]
    public void Hazard_05_a_fork_takes_no_page_of_a_shared_table_that_its_end_does_not_give_back()
    {
        using var bench = new OperationBench();
        var parent = bench.StartSharers(1, bench.MemoryFile(64 * Page))[0];
        int frames = bench.Machine.FramesInUse;
        for (int i = 0; i < 20; i++)
        {
            var child = parent.Space.Fork()!;
            Assert.Equal(FaultKind.Populated, child.Fault(At + (i * Page) + Page, AccessKind.Write).Kind);
            frames++;
            child.Exit();
        }

        bench.Machine.Reclaim();
        Assert.Equal(frames, bench.Machine.FramesInUse);
        bench.Sound();
    }

    [Fact]
    public void Hazard_06_a_child_of_one_that_left_and_came_back_attaches_and_changes_nothing_of_others()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(Gibi);
        var sharers = bench.StartSharers(2, file);
        sharers[0].Store(At + Page, 1);
        bench.Does(sharers[1].Space.Protect(At, Page, Rights.Read));
        bench.Does(sharers[1].Space.Protect(At, Page, Rights.ReadWrite));
        var child = sharers[1].Fork();
        bench.Sound();
        Assert.Equal(((0, 0, 0, 1), true, (byte)1), (child.Own, child.Sees(At + Page), sharers[0].Load(At + Page)));
        child.Store(At + Page, 2);
        Assert.Equal((2, 2), (sharers[0].Load(At + Page), sharers[1].Load(At + Page)));
    }

    [Fact]
    public void Hazard_07_an_empty_entry_of_a_shared_table_is_filled_for_all_not_copied_for_one()
    {
        using var bench = new OperationBench();
        var parent = bench.StartSharers(1, bench.DaxFile(Gibi))[0];
        var child = parent.Fork();
        child.Store(At + (4 * Mebi), 1);
        Assert.Equal((true, (0, 0, 0, 1), (0, 0, 0, 1)), (parent.Sees(At + (4 * Mebi)), parent.Own, child.Own));
    }

    [Fact]
    public void Hazard_08_a_reference_that_somebody_holds_on_the_frame_is_no_attach_count()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(Gibi);
        var process = bench.StartSharers(1, file)[0];
        foreach (var table in file.Tables.All())
        {
            bench.Machine.Memory.Record(table).References += 3;
        }

        bench.Does(process.Space.Unmap(At, Gibi));
        Assert.True(file.Tables.Reclaim() > 0);
        Assert.Equal(0, file.Tables.TableCount);
        bench.Sound();
    }

    [Fact]
    public void Hazard_10_the_attach_count_lies_in_no_other_field()
    {
        var count = typeof(FrameRecord).GetField(nameof(FrameRecord.AttachCount))!.GetCustomAttribute<FieldOffsetAttribute>()!.Value;
        var others = typeof(FrameRecord).GetFields(BindingFlags.Instance | BindingFlags.Public)
            .Where(field => field.Name != nameof(FrameRecord.AttachCount))
            .Select(field => field.GetCustomAttribute<FieldOffsetAttribute>()!.Value);
        Assert.DoesNotContain(others, offset => offset > count - sizeof(int) && offset < count + sizeof(int));
    }

    [Fact]
    public void Hazard_11_migration_finds_all_sharers_not_the_first_alone()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(2 * Mebi);
        var sharers = bench.StartSharers(8, file);
        foreach (var process in sharers)
        {
            Assert.True(process.Processor.TryAdd(At, 1, out _).IsCompleted);
        }

        bench.Does(bench.Device.Migrate(file.Extents[0].DeviceOffset, 2 * Mebi));
        foreach (var process in sharers)
        {
            Assert.True(process.Processor.TryAdd(At, 1, out _).IsCompleted);
        }

        Assert.Equal(16, sharers[0].Load(At));
    }

    [Fact]
    public void Hazard_17_pages_that_come_free_with_a_table_are_reached_by_no_processor()
    {
        using var bench = new OperationBench();
        var file = bench.MemoryFile(4 * Mebi);
        var process = bench.StartSharers(1, file)[0];
        process.Store(At, 1);
        file.Dispose();
        bench.Does(process.Space.Unmap(At, 4 * Mebi));
        Assert.True(file.HasEnded);
        bench.Machine.Reclaim();
        process.Map(MapRequest.Anonymous(4 * Mebi, Rights.ReadWrite), At + Gibi);
        process.Store(At + Gibi, 9);
        Assert.Equal(AccessOutcome.NotMapped, process.LoadOutcome(At));
        bench.Sound();
    }

    [Fact]
    public void Hazard_18_unmapping_one_page_forgets_the_whole_span_of_the_table_that_was_left()
    {
        using var bench = new OperationBench();
        var sharers = bench.StartSharers(2, bench.DaxFile(Gibi));
        sharers[0].Load(At + (100 * Mebi));
        bench.Does(sharers[0].Space.Unmap(At + (4 * Mebi), Page));
        Assert.DoesNotContain(sharers[0].Processor.Snapshot(), cached => cached.Address >= At && cached.Address < At + Gibi);
        sharers[1].Store(At + (100 * Mebi), 1);
        Assert.Equal((1, AccessOutcome.NotMapped), (sharers[0].Load(At + (100 * Mebi)), sharers[0].LoadOutcome(At + (4 * Mebi))));
    }

    [Fact]
    public void Hazard_19_and_48_a_range_across_a_boundary_of_1_GiB_leaves_both_tables_and_nothing_else()
    {
        using var bench = new OperationBench(SharingLevels.UpTo1GiB);
        var sharers = bench.StartSharers(2, bench.DaxFile(4 * Gibi));
        for (int gibi = 0; gibi < 4; gibi++)
        {
            sharers[0].Store(At + (gibi * Gibi) + (8 * Mebi), 1);
        }

        bench.Does(sharers[0].Space.Protect(At + Gibi - (2 * Mebi), 4 * Mebi, Rights.Read));
        Assert.Equal((0, 2, 1, 1), sharers[0].Own);
        Assert.Equal(
            [AccessOutcome.Completed, AccessOutcome.NotAllowed, AccessOutcome.NotAllowed, AccessOutcome.Completed],
            new[] { -3, -1, 1, 3 }.Select(mebi => sharers[0].StoreOutcome(At + Gibi + (mebi * Mebi))));
        Assert.All(new[] { -3, -1, 1, 3 }, mebi => Assert.Equal(AccessOutcome.Completed, sharers[1].StoreOutcome(At + Gibi + (mebi * Mebi))));
        bench.Sound();
    }

    [Fact]
    public void Hazard_20_a_moved_span_is_forgotten_at_its_old_place()
    {
        using var bench = new OperationBench();
        var process = bench.StartSharers(1, bench.DaxFile(Gibi))[0];
        process.Load(At + (9 * Mebi));
        Assert.True(process.Space.Remap(At, Gibi, Gibi, RemapFlags.MayMove | RemapFlags.Fixed, At + (1024 * Gibi)).Succeeded);
        Assert.DoesNotContain(process.Processor.Snapshot(), cached => cached.Address >= At && cached.Address < At + Gibi);
        bench.Sound();
    }

    [Fact]
    public void Hazard_22_a_teardown_flushes_once_whatever_it_leaves()
    {
        using var bench = new OperationBench(SharingLevels.UpTo2MiB, largePages: false);
        var sharers = bench.StartSharers(2, bench.DaxFile(400 * Mebi));
        Assert.True(sharers[0].Space.Populate(AddressRange.FromLength(At, 400 * Mebi), AccessKind.Read).IsResolved);
        long flushes = bench.Machine.Count(TableEvent.Flush);
        long detached = bench.Machine.Count(TableEvent.Detached);
        bench.Does(sharers[0].Space.Unmap(At, 400 * Mebi));
        Assert.Equal((1L, 200L), (bench.Machine.Count(TableEvent.Flush) - flushes, bench.Machine.Count(TableEvent.Detached) - detached));
    }

    [Fact]
    public void Hazard_23_a_flush_that_was_gathered_and_forgotten_is_found()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        FlushGather.State state = default;
        var gather = new FlushGather(bench.Machine.Store, process.Space, ref state);
        Assert.Contains("flush gathers were begun", Assert.Single(bench.Machine.Audit().Violations));
        gather.Dispose();
        bench.Sound();
    }

    [Fact]
    public void Hazard_24_a_flush_that_leaves_upper_entries_is_seen_and_ours_does_not()
    {
        using var bench = new OperationBench();
        var process = bench.StartSharers(1, bench.DaxFile(Gibi))[0];
        Assert.Contains(process.Processor.Snapshot(), cached => !cached.IsLeaf && cached.Address == At && cached.Level == Level.P4d);
        bench.Does(process.Space.Unmap(At, Gibi));
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite));
        process.Store(At, 1);
        bench.Sound();

        // The same with the flush left out: the processor goes on through the old table, and the audit says so.
        bench.Machine.Store.Omissions[OmittedStep.Flush] = () => true;
        Assert.Equal(Errno.None, process.Space.Unmap(At, Page));
        Assert.False(bench.Machine.Audit().IsSound);
    }

    [Fact]
    public void Hazard_25_and_43_a_change_in_the_shared_table_reaches_the_processors_of_every_sharer()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(Gibi);
        var sharers = bench.StartSharers(12, file);
        bench.Does(file.PunchHole(0, 2 * Mebi));
        Assert.All(sharers, process => Assert.False(process.Sees(At)));
        Assert.All(sharers, process => Assert.DoesNotContain(process.Processor.Snapshot(), cached => cached.IsLeaf));
    }
}
