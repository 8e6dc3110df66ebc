using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Files;

/// <summary>ftruncate, and what becomes of a file at its end.</summary>
public sealed class SetSizeTests
{
    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.UpTo1GiB)]
    [InlineData(SharingLevels.UpTo2MiB)]
    [InlineData(SharingLevels.None)]
    public void Past_the_new_end_every_process_gets_a_bus_error_and_no_processor_remembers_a_page(SharingLevels sharing)
    {
        using var bench = new OperationBench(sharing);
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(3, file);
        foreach (var process in sharers)
        {
            process.Store(At + (3 * Mebi), 5);
            process.Store(At + Page, 6);
        }

        long free = bench.Device.FreeBytes;
        bench.Does(file.SetSize(Page + 100));
        Assert.Equal(free + (4 * Mebi) - (2 * Page), bench.Device.FreeBytes);
        foreach (var process in sharers)
        {
            Assert.False(process.Sees(At + (3 * Mebi)));
            Assert.Equal(AccessOutcome.BusError, process.LoadOutcome(At + (3 * Mebi)));
            Assert.Equal(AccessOutcome.BusError, process.LoadOutcome(At + (2 * Page)));
            Assert.Equal((6, 0), (process.Load(At + Page), process.Load(At + Page + 100)));
        }

        bench.Does(file.SetSize(4 * Mebi));
        Assert.All(sharers, process => Assert.Equal((6, 0, 0), (process.Load(At + Page), process.Load(At + Page + 100), process.Load(At + (3 * Mebi)))));
        bench.Sound();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_was_stored_past_the_end_within_the_last_page_is_gone_when_the_file_grows(bool dax)
    {
        using var bench = new OperationBench();
        MappedFile file = dax ? bench.DaxFile(100) : bench.MemoryFile(100);
        var process = bench.Start();
        process.Map(new MapRequest(2 * Page, Rights.ReadWrite) { File = file, Shared = true });
        process.Store(At + 99, 1);
        process.Store(At + 200, 2);
        bench.Does(file.SetSize(2 * Page));
        Assert.Equal((1, 0, 0), (process.Load(At + 99), process.Load(At + 200), process.Load(At + Page)));
    }

    [Fact]
    public void A_memory_file_of_large_pages_keeps_nothing_past_its_end_when_the_end_cuts_a_page()
    {
        using var bench = new OperationBench();
        var file = bench.MemoryFile(4 * Mebi, 2 * Mebi);
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite));
        process.Store(At, 1);
        process.Store(At + (5 * Page), 2);
        process.Store(At + (3 * Mebi), 3);
        bench.Does(file.SetSize(Page));
        bench.Does(file.SetSize(4 * Mebi));
        Assert.Equal((1, 0, 0), (process.Load(At), process.Load(At + (5 * Page)), process.Load(At + (3 * Mebi))));
    }

    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.None)]
    public void A_store_to_a_private_mapping_past_the_end_makes_no_table_for_a_copy(SharingLevels sharing)
    {
        using var bench = new OperationBench(sharing);
        var process = bench.Start();
        process.Map(new MapRequest(8 * Mebi, Rights.ReadWrite) { File = bench.DaxFile(2 * Mebi), OpenedFor = Rights.ReadWrite });
        Assert.Equal(AccessOutcome.BusError, process.StoreOutcome(At + (4 * Mebi)));
        Assert.Equal(0, process.Own.Pte);
        process.Store(At, 1);
        Assert.Equal(1, process.Own.Pte);
        bench.Sound();
    }

    [Fact]
    public void Private_copies_past_the_end_are_gone_and_those_before_it_stay()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.Start();
        process.Map(MapRequest.PrivateFile(file, Rights.ReadWrite));
        process.Store(At + Page, 1);
        process.Store(At + (3 * Mebi), 2);
        var child = process.Fork();
        child.Store(At + (3 * Mebi), 3);
        bench.Does(file.SetSize(2 * Mebi));
        Assert.Equal((1, 1), (process.Load(At + Page), child.Load(At + Page)));
        Assert.Equal((AccessOutcome.BusError, AccessOutcome.BusError), (process.LoadOutcome(At + (3 * Mebi)), child.StoreOutcome(At + (3 * Mebi))));
        bench.Does(file.SetSize(4 * Mebi));
        Assert.Equal((0, 0), (process.Load(At + (3 * Mebi)), child.Load(At + (3 * Mebi))));
        bench.Sound();
    }

    [Fact]
    public void Truncating_costs_the_same_tables_and_flushes_for_one_sharer_and_for_many()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(2 * Gibi);
        var sharers = bench.StartSharers(20, file);
        int tables = file.Tables.TableCount;
        long flushes = bench.Machine.Count(Pando.Tables.TableEvent.Flush);
        bench.Does(file.SetSize(Gibi));

        // Of one GiB: one flush for each piece of 256 MiB.
        Assert.Equal(4, bench.Machine.Count(Pando.Tables.TableEvent.Flush) - flushes);
        Assert.Equal(tables, file.Tables.TableCount);
        Assert.All(sharers, process => Assert.Equal(((0, 0, 0, 1), AccessOutcome.BusError), (process.Own, process.LoadOutcome(At + Gibi))));
    }

    [Fact]
    public void Bad_sizes_are_refused_and_nothing_changes()
    {
        using var bench = new OperationBench();
        var (file, huge) = (bench.DaxFile(2 * Mebi), bench.HugeFile(4 * Mebi));
        bench.Fails(Errno.EINVAL, () => file.SetSize(-1));
        bench.Fails(Errno.EFBIG, () => file.SetSize(long.MaxValue));
        bench.Fails(Errno.EINVAL, () => huge.SetSize((2 * Mebi) + Page));
        bench.Does(huge.SetSize(2 * Mebi));
    }

    [Fact]
    public void A_file_that_was_closed_lives_until_its_last_mapping_is_gone()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(2 * Mebi);
        var sharers = bench.StartSharers(2, file);
        sharers[0].Store(At, 4);
        file.Dispose();
        Assert.False(file.HasEnded);
        Assert.Equal(4, sharers[1].Load(At));
        bench.Does(sharers[0].Space.Unmap(At, 2 * Mebi));
        Assert.Equal(4, sharers[1].Load(At));
        sharers[1].Space.Exit();
        Assert.True(file.HasEnded);
        Assert.Equal(8 * Gibi, bench.Device.FreeBytes);
        bench.Sound();
    }

    [Fact]
    public void A_larger_size_is_metadata_that_a_synchronous_mapping_makes_durable_before_a_store()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(100);
        bench.Does(file.WriteBack());
        bench.Does(file.SetSize(Page));
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Synchronous = true });
        long syncs = bench.Device.MetadataSyncs;
        process.Store(At + 200, 1);
        Assert.Equal(syncs + 1, bench.Device.MetadataSyncs);
    }
}
