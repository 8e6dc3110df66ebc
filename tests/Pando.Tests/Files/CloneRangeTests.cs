using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Durability;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Files;

/// <summary>Reflink: two files lie in one place until one of them is written.</summary>
public sealed class CloneRangeTests
{
    [Theory]
    [InlineData(SharingLevels.All, true)]
    [InlineData(SharingLevels.UpTo2MiB, false)]
    [InlineData(SharingLevels.None, true)]
    public void A_page_that_was_loaded_before_it_is_stored_to_is_copied_all_the_same(SharingLevels sharing, bool largePages)
    {
        using var bench = new OperationBench(sharing, largePages);
        var (source, clone) = CloneOf(bench, 4 * Mebi);
        var (a, b) = (bench.Start(), bench.Start());
        a.Map(MapRequest.SharedFile(source, Rights.ReadWrite));
        b.Map(MapRequest.SharedFile(clone, Rights.ReadWrite));
        Assert.Equal((0, 0), (a.Load(At + Page), b.Load(At + Page)));
        b.Store(At + Page, 2);
        Assert.Equal((0, 2), (a.Load(At + Page), b.Load(At + Page)));
        a.Store(At + Page, 1);
        Assert.Equal((1, 2), (a.Load(At + Page), b.Load(At + Page)));
        Assert.Equal(0, b.Load(At + (2 * Mebi)));
        a.Store(At + (2 * Mebi), 3);
        Assert.Equal((3, 0), (a.Load(At + (2 * Mebi)), b.Load(At + (2 * Mebi))));
        bench.Sound();
    }

    [Fact]
    public void Right_after_a_clone_no_process_can_store_in_place_whatever_its_processor_remembers()
    {
        using var bench = new OperationBench();
        var source = bench.DaxFile(2 * Mebi, "source");
        var clone = bench.DaxFile(2 * Mebi, "clone");
        var sharers = bench.StartSharers(3, source);
        sharers[0].Store(At, 1);
        sharers[1].Store(At + Page, 2);
        bench.Does(clone.CloneRange(source, 0, 2 * Mebi, 0));
        sharers[1].Store(At, 9);
        var reader = bench.Start();
        reader.Map(MapRequest.SharedFile(clone, Rights.Read));
        Assert.Equal((1, 2), (reader.Load(At), reader.Load(At + Page)));
        Assert.Equal((9, 9), (sharers[0].Load(At), sharers[2].Load(At)));
        bench.Sound();
    }

    [Fact]
    public void The_store_that_copies_takes_the_whole_block_of_2_MiB_which_is_durable_but_for_the_store()
    {
        var storage = new ForgettingStorage(8 * Mebi);
        using var bench = new OperationBench(storage, largePages: false);
        var (_, clone) = CloneOf(bench, 2 * Mebi, fill: 7);
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(clone, Rights.ReadWrite));
        Assert.Equal(0, clone.DirtyBytes);
        process.Store(At + Page, 1);
        var extent = Assert.Single(clone.Extents);
        Assert.False(extent.IsShared);
        Assert.Equal(Page, clone.DirtyBytes);
        Assert.All(Enumerable.Range(0, 512), page => Assert.Equal(page < 8 ? 0x0707_0707_0707_0707u : 0, storage.Read(extent.DeviceOffset + (page * Page) + 64, live: false)));
    }

    [Fact]
    public void A_hole_that_cuts_a_page_clears_that_page_of_one_file_alone()
    {
        using var bench = new OperationBench();
        var (source, clone) = CloneOf(bench, 2 * Mebi, fill: 7);
        bench.Does(clone.PunchHole(100, 200));
        bench.Does(clone.PunchHole(Page + 100, (2 * Page) - 100 + 50));
        var (a, b) = Readers(bench, source, clone);
        Assert.All(new long[] { 150, Page + 150, (2 * Page) + 1, (3 * Page) + 20 }, offset => Assert.Equal((7, 0), (a.Load(At + offset), b.Load(At + offset))));
        Assert.All(new long[] { 99, 300, Page + 99, (3 * Page) + 50 }, offset => Assert.Equal((7, 7), (a.Load(At + offset), b.Load(At + offset))));
        bench.Sound();
    }

    [Fact]
    public void Truncating_one_file_in_the_middle_of_a_page_leaves_the_other_as_it_is()
    {
        using var bench = new OperationBench();
        var (source, clone) = CloneOf(bench, 2 * Mebi, fill: 7);
        bench.Does(clone.SetSize(Page + 100));
        bench.Does(clone.SetSize(2 * Mebi));
        var (a, b) = Readers(bench, source, clone);
        Assert.Equal((7, 7), (a.Load(At + Page + 99), b.Load(At + Page + 99)));
        Assert.Equal((7, 0), (a.Load(At + Page + 100), b.Load(At + Page + 100)));
        Assert.Equal((7, 0), (a.Load(At + (5 * Page)), b.Load(At + (5 * Page))));
    }

    [Fact]
    public void Truncating_a_shared_page_in_its_middle_needs_space_and_changes_nothing_where_there_is_none()
    {
        using var bench = new OperationBench(device: 4 * Mebi);
        var (_, clone) = CloneOf(bench, 2 * Mebi, fill: 7);
        _ = bench.DaxFile(2 * Mebi - Page, "rest");
        _ = bench.DaxFile(Page, "more");
        Assert.Equal(0, bench.Device.FreeBytes);
        bench.Fails(Errno.ENOSPC, () => clone.SetSize(100));
        bench.Fails(Errno.ENOSPC, () => clone.PunchHole(100, 100));
        bench.Does(clone.SetSize(Page));
    }

    [Fact]
    public void A_store_to_a_shared_page_of_a_full_device_is_a_bus_error()
    {
        using var bench = new OperationBench(device: 4 * Mebi);
        var (source, clone) = CloneOf(bench, 2 * Mebi, fill: 7);
        _ = bench.DaxFile(2 * Mebi, "rest");
        var (a, b) = Readers(bench, source, clone, Rights.ReadWrite);
        Assert.Equal(AccessOutcome.BusError, b.StoreOutcome(At));
        Assert.Equal((7, 7), (a.Load(At), b.Load(At)));
        bench.Sound();
    }

    [Fact]
    public void The_only_owner_that_is_left_stores_in_place_on_a_full_device()
    {
        using var bench = new OperationBench(device: 4 * Mebi);
        var (source, clone) = CloneOf(bench, 2 * Mebi, fill: 7);
        _ = bench.DaxFile(2 * Mebi, "rest");
        Assert.Equal(0, bench.Device.FreeBytes);
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(source, Rights.ReadWrite));
        Assert.Equal(AccessOutcome.BusError, process.StoreOutcome(At));
        var place = source.Locate(0);
        clone.Dispose();
        process.Store(At, 1);
        process.Store(At + Page, 2);
        Assert.Equal(place, source.Locate(0));
        Assert.False(Assert.Single(source.Extents).IsShared);
        bench.Does(source.SetSize(100));
        bench.Sound();
    }

    [Fact]
    public void The_only_owner_of_some_pages_of_a_large_leaf_copies_the_others()
    {
        using var bench = new OperationBench();
        var (source, clone) = CloneOf(bench, 2 * Mebi, fill: 7);
        var (a, b) = Readers(bench, source, clone, Rights.ReadWrite);
        bench.Does(clone.PunchHole(0, 4 * Page));
        bench.Does(clone.WriteBack());
        var (first, other) = (source.Locate(0), source.Locate(5 * Page));
        a.Store(At, 1);
        Assert.Equal(first, source.Locate(0));
        a.Store(At + (5 * Page), 2);
        Assert.NotEqual(other, source.Locate(5 * Page));
        Assert.Equal((1, 2), (a.Load(At), a.Load(At + (5 * Page))));
        Assert.Equal((0, 7), (b.Load(At), b.Load(At + (5 * Page))));
        bench.Sound();
    }

    [Fact]
    public void A_clone_that_fails_in_its_second_half_leaves_nothing_shared()
    {
        // The target is cut off while the source is written back.
        var storage = new ForgettingStorage(8 * Mebi);
        using var bench = new OperationBench(storage);
        var source = bench.DaxFile(2 * Mebi, "source");
        var clone = bench.DaxFile(2 * Mebi, [], "clone");
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(source, Rights.ReadWrite));
        process.Store(At, 1);
        storage.Syncing = (_, _) =>
        {
            storage.Syncing = null;
            var truncation = new Thread(() => Assert.Equal(Errno.None, clone.SetSize(Page)));
            truncation.Start();
            truncation.Join();
        };
        long free = bench.Device.FreeBytes;
        Assert.Equal(Errno.EINVAL, clone.CloneRange(source, 0, 2 * Mebi, 0));
        Assert.Null(storage.Syncing);
        Assert.Equal(free, bench.Device.FreeBytes);
        Assert.False(Assert.Single(source.Extents).IsShared);
        Assert.Empty(clone.Extents);
        var place = source.Locate(0);
        process.Store(At, 2);
        Assert.Equal(place, source.Locate(0));
        bench.Sound();
    }

    [Fact]
    public void A_clone_of_what_was_just_stored_is_durable_with_the_clones_write_back()
    {
        var storage = new ForgettingStorage(8 * Mebi);
        using var bench = new OperationBench(storage);
        var source = bench.DaxFile(2 * Mebi, "source");
        var clone = bench.DaxFile(2 * Mebi, [], "clone");
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(source, Rights.ReadWrite));
        process.Store(At, 1);
        bench.Does(clone.CloneRange(source, 0, 2 * Mebi, 0));
        bench.Does(clone.WriteBack());
        Assert.Equal(1ul, storage.Read(clone.Locate(0)!.Value - bench.Device.Start, live: false));
    }

    [Fact]
    public void Bad_arguments_are_refused_and_nothing_changes()
    {
        using var bench = new OperationBench();
        var (source, clone) = (bench.DaxFile(4 * Mebi, "source"), bench.DaxFile(2 * Mebi, "clone"));
        var elsewhere = bench.Machine.AddPmem(2 * Mebi).CreateFile("elsewhere", 2 * Mebi);
        bench.Fails(Errno.EINVAL, () => clone.CloneRange(source, 1, Page, 0));
        bench.Fails(Errno.EINVAL, () => clone.CloneRange(source, 0, Page, 1));
        bench.Fails(Errno.EINVAL, () => clone.CloneRange(source, 0, 100, 0));
        bench.Fails(Errno.EINVAL, () => clone.CloneRange(source, 0, 0, 0));
        bench.Fails(Errno.EINVAL, () => clone.CloneRange(source, 4 * Mebi, Page, 0));
        bench.Fails(Errno.EINVAL, () => clone.CloneRange(source, 0, Page, 2 * Mebi));
        bench.Fails(Errno.EINVAL, () => source.CloneRange(source, 0, 2 * Page, Page));
        bench.Fails(Errno.EINVAL, () => clone.CloneRange(elsewhere, 0, Page, 0));
    }

    [Fact]
    public void Space_comes_free_when_the_last_file_that_lies_there_is_gone()
    {
        using var bench = new OperationBench();
        long free = bench.Device.FreeBytes;
        var (source, clone) = CloneOf(bench, 2 * Mebi);
        Assert.Equal(free - (2 * Mebi), bench.Device.FreeBytes);
        source.Dispose();
        Assert.Equal(free - (2 * Mebi), bench.Device.FreeBytes);
        clone.Dispose();
        Assert.Equal(free, bench.Device.FreeBytes);
        bench.Sound();
    }

    private static (DaxFile Source, DaxFile Clone) CloneOf(OperationBench bench, long size, byte fill = 0)
    {
        var source = bench.DaxFile(size, "source");
        var clone = bench.DaxFile(size, [], "clone");
        if (fill != 0)
        {
            bench.Machine.Memory.Bytes(source.Locate(0)!.Value, 8 * (int)Page).Fill(fill);
        }

        bench.Does(clone.CloneRange(source, 0, size, 0));
        return (source, clone);
    }

    private static (BenchProcess OfSource, BenchProcess OfClone) Readers(OperationBench bench, DaxFile source, DaxFile clone, Rights rights = Rights.Read)
    {
        var (a, b) = (bench.Start(), bench.Start());
        a.Map(MapRequest.SharedFile(source, rights));
        b.Map(MapRequest.SharedFile(clone, rights));
        return (a, b);
    }
}
