using Pando.Concurrency;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Hazards;

/// <summary>Hazards 26 to 55 (docs/hazards.md): the life of areas, other systems' mistakes, and what is special to DAX.</summary>
public sealed class AreaAndFileHazards
{
    [Fact]
    public void Hazard_27_after_DONTNEED_the_area_shares_as_before()
    {
        using var bench = new OperationBench();
        var sharers = bench.StartSharers(2, bench.DaxFile(Gibi));
        bench.Does(sharers[0].Space.Advise(At, Gibi, Advice.DontNeed));
        sharers[1].Store(At + (8 * Mebi), 1);
        Assert.Equal((true, (0, 0, 0, 1)), (sharers[0].Sees(At + (8 * Mebi)), sharers[0].Own));
    }

    [Fact]
    public void Hazard_29_halves_of_a_split_area_stay_attached_and_a_change_of_one_does_not_reach_the_other()
    {
        using var bench = new OperationBench();
        var sharers = bench.StartSharers(2, bench.DaxFile(Gibi));
        bench.Does(sharers[0].Space.Advise(At, 512 * Mebi, Advice.DontDump));
        Assert.Equal((2, (0, 0, 0, 1)), (sharers[0].Space.Areas.Count, sharers[0].Own));
        bench.Does(sharers[0].Space.Protect(At, 512 * Mebi, Rights.Read));
        Assert.Equal((AccessOutcome.NotAllowed, AccessOutcome.Completed), (sharers[0].StoreOutcome(At), sharers[0].StoreOutcome(At + (512 * Mebi))));
        Assert.Equal(AccessOutcome.Completed, sharers[1].StoreOutcome(At));
        bench.Sound();
    }

    [Fact]
    public void Hazard_31_of_many_tables_in_a_row_none_is_skipped()
    {
        using var bench = new OperationBench(SharingLevels.UpTo2MiB, largePages: false);
        var sharers = bench.StartSharers(2, bench.DaxFile(32 * Mebi));
        Assert.True(sharers[0].Space.Populate(AddressRange.FromLength(At, 32 * Mebi), AccessKind.Write).IsResolved);
        bench.Does(sharers[0].Space.Protect(At + Page, (32 * Mebi) - (2 * Page), Rights.Read));
        for (int table = 0; table < 16; table++)
        {
            Assert.Equal(AccessOutcome.NotAllowed, sharers[0].StoreOutcome(At + (table * 2 * Mebi) + Page));
            Assert.Equal(AccessOutcome.Completed, sharers[1].StoreOutcome(At + (table * 2 * Mebi) + Page));
        }

        Assert.Equal(2, sharers[0].Own.Pte);
    }

    [Fact]
    public void Hazard_32_a_range_that_ends_exactly_at_a_table_s_end_leaves_the_next_table_alone()
    {
        using var bench = new OperationBench(SharingLevels.UpTo1GiB);
        var sharers = bench.StartSharers(2, bench.DaxFile(3 * Gibi));
        bench.Does(sharers[0].Space.Unmap(At + Gibi, Gibi));
        Assert.Equal((0, 0, 1, 1), sharers[0].Own);
        Assert.Equal(
            [AccessOutcome.Completed, AccessOutcome.NotMapped, AccessOutcome.NotMapped, AccessOutcome.Completed],
            new[] { Gibi - 1, Gibi, (2 * Gibi) - 1, 2 * Gibi }.Select(offset => sharers[0].LoadOutcome(At + offset)));
        bench.Sound();
    }

    [Fact]
    public void Hazard_34_a_hole_is_taken_from_every_mapping_whether_attached_diverged_or_private()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(3, file);
        sharers[0].Store(At + Page, 1);
        bench.Does(sharers[1].Space.Protect(At, Page, Rights.Read));
        var own = bench.Start();
        own.Map(MapRequest.PrivateFile(file, Rights.ReadWrite));
        own.Store(At, 2);
        foreach (var process in sharers.Append(own))
        {
            Assert.Equal(1, process.Load(At + Page));
        }

        bench.Does(file.PunchHole(Page, Page));
        Assert.All(sharers.Append(own), process => Assert.Equal(0, process.Load(At + Page)));
        Assert.Equal(2, own.Load(At));
    }

    [Fact]
    public void Hazard_35_what_is_split_joined_moved_and_refused_is_found_by_the_file_once()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(8 * Mebi);
        var process = bench.Start();
        process.Map(MapRequest.PrivateFile(file, Rights.ReadWrite));
        process.Store(At + Page, 1);
        process.Store(At + (5 * Mebi), 1);
        Assert.Equal(2, file.Tables.ReverseMap.Count);
        bench.Does(process.Space.Advise(At + (2 * Mebi), Mebi, Advice.DontDump));
        bench.Does(process.Space.Advise(At, 8 * Mebi, Advice.DoDump));
        Assert.Equal(2, file.Tables.ReverseMap.Count);
        bench.Fails(Errno.EINVAL, () => process.Space.Map(MapRequest.PrivateFile(file, Rights.Read) with { Offset = 1 }));
        Assert.True(process.Space.Remap(At + (4 * Mebi), 4 * Mebi, 4 * Mebi, RemapFlags.MayMove | RemapFlags.Fixed, At + Gibi).Succeeded);
        Assert.Equal(2, file.Tables.ReverseMap.Count);
        bench.Does(process.Space.Unmap(At + Page, Page));
        Assert.Equal(3, file.Tables.ReverseMap.Count);
        bench.Sound();
        bench.Does(process.Space.Unmap(At, 4 * Mebi));
        Assert.Equal(1, file.Tables.ReverseMap.Count);
        bench.Sound();
        process.Space.Exit();
        Assert.Equal(0, file.Tables.ReverseMap.Count);
        bench.Sound();
    }

    [Fact]
    public void Hazard_36_protecting_for_a_user_fault_handler_protects_nobody_else()
    {
        using var bench = new OperationBench();
        var file = bench.MemoryFile(4 * Mebi);
        var sharers = bench.StartSharers(2, file);
        var recorder = new UserFaultRecorder((space, at, _) => space.UserWriteProtect(at, Page, false));
        bench.Does(sharers[0].Space.RegisterUserFaults(At, 4 * Mebi, UserFaultModes.WriteProtect, recorder));
        bench.Does(sharers[0].Space.UserWriteProtect(At, 2 * Page, true));
        sharers[1].Store(At, 1);
        Assert.Empty(recorder.Asked);
        sharers[0].Store(At, 2);
        Assert.Equal((2, 1), (sharers[1].Load(At), recorder.Asked.Count));
        bench.Sound();
    }

    [Fact]
    public void Hazard_40_a_fault_takes_none_of_the_locks_that_all_mappers_of_the_file_share()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(Gibi);
        var sharers = bench.StartSharers(1, file);
        using var taken = new ManualResetEventSlim();
        using var done = new ManualResetEventSlim();
        var holder = new Thread(() =>
        {
            using (file.Tables.ReverseMap.Hold())
            {
                taken.Set();
                done.Wait();
            }
        });
        holder.Start();
        taken.Wait(TestContext.Current.CancellationToken);
        sharers[0].Store(At + (8 * Mebi), 1);
        done.Set();
        holder.Join();
        bench.Sound();
    }

    [Fact]
    public void Hazard_42_the_first_to_unmap_frees_nothing_that_others_still_reach()
    {
        using var bench = new OperationBench();
        var file = bench.MemoryFile(4 * Mebi);
        var sharers = bench.StartSharers(2, file);
        sharers[0].Store(At, 3);
        file.Dispose();
        bench.Does(sharers[0].Space.Unmap(At, 4 * Mebi));
        bench.Machine.Reclaim();
        Assert.Equal(3, sharers[1].Load(At));
        bench.Sound();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Hazard_45_large_leaves_small_leaves_and_holes_stand_in_one_shared_table(bool exit)
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(8 * Mebi, [new(0, 0, 2 * Mebi), new(2 * Mebi, (4 * Mebi) + Page, 2 * Mebi), new(6 * Mebi, 8 * Mebi, Mebi)]);
        var sharers = bench.StartSharers(2, file);
        foreach (long mebi in new[] { 0, 2, 4, 6, 7 })
        {
            sharers[0].Store(At + (mebi * Mebi), (byte)(mebi + 1));
        }

        Assert.All(new long[] { 0, 2, 4, 6, 7 }, mebi => Assert.Equal(mebi + 1, sharers[1].Load(At + (mebi * Mebi))));
        if (exit)
        {
            sharers[0].Space.Exit();
        }
        else
        {
            bench.Does(sharers[0].Space.Unmap(At + (2 * Mebi), 3 * Mebi));
        }

        bench.Sound();
        Assert.All(new long[] { 0, 2, 4, 6, 7 }, mebi => Assert.Equal(mebi + 1, sharers[1].Load(At + (mebi * Mebi))));
    }

    [Fact]
    public void Hazard_46_a_space_that_is_not_running_but_cached_under_its_PCID_is_flushed_too()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(Gibi);
        var sharers = bench.StartSharers(2, file);
        sharers[0].Store(At, 1);
        sharers[0].Processor.Switch(sharers[1].Space);
        bench.Does(file.PunchHole(0, 2 * Mebi));
        sharers[0].Processor.Switch(sharers[0].Space);
        Assert.False(sharers[0].Sees(At));
        sharers[0].Space.Exit();
        Assert.True(file.Tables.TableCount > 0);
        Assert.Equal(0, sharers[1].Load(At));
        bench.Sound();
    }

    [Fact]
    public void Hazard_47_without_memory_for_its_own_table_a_process_leaves_the_shared_one_for_nothing()
    {
        using var bench = new OperationBench();
        var sharers = bench.StartSharers(2, bench.DaxFile(Gibi));
        sharers[0].Store(At + Page, 1);
        bench.Machine.Store.Omissions[OmittedStep.Allocation] = () => true;
        bench.Does(sharers[0].Space.Unmap(At, Page));
        bench.Machine.Store.Omissions[OmittedStep.Allocation] = null;
        Assert.Equal(1L, bench.Machine.Count(TableEvent.DivergedToNothing));
        Assert.Equal((AccessOutcome.NotMapped, (byte)1), (sharers[0].LoadOutcome(At), sharers[0].Load(At + Page)));
        Assert.Equal(0, sharers[1].Load(At));
        bench.Sound();
    }

    /// <summary>
    /// The price: what was behind the slot that was given up is all there, but until there is memory again it cannot be reached from this
    /// process. On Linux, whose tables are all a process's own, munmap leaves the other pages' entries alone.
    /// </summary>
    [Fact]
    public void Hazard_47_pages_beside_one_that_was_unmapped_without_memory_fault_until_there_is_some()
    {
        using var bench = new OperationBench(device: 1L << 40);
        var sharers = bench.StartSharers(2, bench.DaxFile(512 * Gibi));
        VirtualAddress[] others = [At + Page, At + (300 * Gibi), At + (511 * Gibi)];
        foreach (var at in others)
        {
            sharers[0].Store(at, 7);
        }

        Assert.Equal((0, 0, 0, 1), sharers[0].Own);
        bench.Machine.Store.Omissions[OmittedStep.Allocation] = () => true;
        bench.Does(sharers[0].Space.Unmap(At, Page));
        Assert.All(others, at => Assert.Equal(AccessOutcome.OutOfMemory, sharers[0].LoadOutcome(at)));
        Assert.All(others, at => Assert.Equal(7, sharers[1].Load(at)));
        bench.Sound();
        bench.Machine.Store.Omissions[OmittedStep.Allocation] = null;
        Assert.All(others, at => Assert.Equal(7, sharers[0].Load(at)));
        Assert.Equal(AccessOutcome.NotMapped, sharers[0].LoadOutcome(At));
        bench.Sound();
    }

    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.None)]
    public void Hazard_49_after_a_write_back_no_processor_can_store_unnoticed(SharingLevels sharing)
    {
        using var bench = new OperationBench(sharing);
        var file = bench.DaxFile(2 * Mebi);
        var sharers = bench.StartSharers(4, file);
        foreach (var process in sharers)
        {
            process.Store(At, 1);
        }

        foreach (var process in sharers)
        {
            bench.Does(file.WriteBack());
            Assert.Equal(0, file.DirtyBytes);
            process.Store(At, 2);
            Assert.Equal(2 * Mebi, file.DirtyBytes);
        }
    }

    [Fact]
    public void Hazard_50_a_process_that_needs_small_leaves_takes_no_large_one_from_others()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(2, file);
        var small = bench.Start();
        small.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = Mebi, Offset = Page }, At + (3 * Page));
        small.Store(At + (3 * Page), 1);
        bench.Does(sharers[1].Space.Unmap(At + (8 * Page), Page));
        var reader = new TableReader(bench.Machine.Format, bench.Machine.Memory);
        Assert.Equal((Level.Pmd, Level.Pte), (reader.Walk(sharers[0].Space, At)!.Value.Level, reader.Walk(small.Space, At + (3 * Page))!.Value.Level));
        Assert.Equal((1, 1), (sharers[0].Load(At + Page), sharers[1].Load(At + Page)));
    }

    [Fact]
    public void Hazard_51_a_store_through_an_ordinary_mapping_gives_a_synchronous_one_no_right_to_store()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(2 * Mebi, []);
        var synchronous = bench.Start();
        synchronous.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Synchronous = true });
        var ordinary = bench.Start();
        ordinary.Map(MapRequest.SharedFile(file, Rights.ReadWrite));
        long syncs = bench.Device.MetadataSyncs;
        ordinary.Store(At, 1);
        Assert.Equal((1, 0L), (synchronous.Load(At), bench.Device.MetadataSyncs - syncs));
        synchronous.Store(At, 2);
        Assert.Equal(1L, bench.Device.MetadataSyncs - syncs);
    }

    [Fact]
    public void Hazard_52_what_has_diverged_loses_a_truncated_page_and_does_not_come_back_to_an_old_table()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(2, file);
        bench.Does(sharers[0].Space.Protect(At, Page, Rights.Read));
        sharers[0].Store(At + (3 * Mebi), 1);
        bench.Does(file.SetSize(2 * Mebi));
        bench.Does(sharers[0].Space.Protect(At, Page, Rights.ReadWrite));
        Assert.All(sharers, process => Assert.Equal(AccessOutcome.BusError, process.LoadOutcome(At + (3 * Mebi))));
        bench.Does(file.SetSize(4 * Mebi));
        Assert.All(sharers, process => Assert.Equal(0, process.Load(At + (3 * Mebi))));
    }

    [Fact]
    public void Hazard_54_a_failed_page_is_poison_to_those_as_well_that_never_touched_it()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(4, file);
        bench.Does(file.Poison(3 * Mebi));
        bench.Does(sharers[0].Space.Unmap(At, Mebi));
        Assert.All(sharers, process => Assert.Equal(AccessOutcome.HardwarePoison, process.LoadOutcome(At + (3 * Mebi))));
        Assert.All(sharers, process => Assert.Equal(0, process.Load(At + (3 * Mebi) + Page)));
    }

    [Fact]
    public void Hazard_55_the_store_that_copies_a_reflinked_block_takes_the_old_one_from_every_mapper()
    {
        using var bench = new OperationBench();
        var source = bench.DaxFile(2 * Mebi, "source");
        var clone = bench.DaxFile(2 * Mebi, [], "clone");
        bench.Does(clone.CloneRange(source, 0, 2 * Mebi, 0));
        var sharers = bench.StartSharers(4, clone);
        sharers[0].Store(At, 5);
        Assert.All(sharers, process => Assert.Equal(5, process.Load(At)));
        var reader = bench.StartSharers(1, source)[0];
        Assert.Equal(0, reader.Load(At));
    }
}
