using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Files;

/// <summary>Memory that fails under a file, and moving files away from it.</summary>
public sealed class MemoryFailureTests
{
    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.UpTo1GiB)]
    [InlineData(SharingLevels.None)]
    public void Every_process_gets_the_poison_and_the_rest_of_the_2_MiB_stays_usable(SharingLevels sharing)
    {
        using var bench = new OperationBench(sharing);
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(2, file);
        sharers[0].Store(At + Page, 1);
        sharers[0].Store(At + (2 * Page), 2);
        bench.Does(file.Poison(Page + 17));
        var late = bench.Start();
        late.Map(MapRequest.PrivateFile(file, Rights.ReadWrite));
        foreach (var process in sharers.Append(late))
        {
            var result = process.Processor.TryRead(At + Page + 40, out byte _);
            Assert.Equal((AccessOutcome.HardwarePoison, At + Page + 40), (result.Outcome, result.Address));
            Assert.Equal(AccessOutcome.HardwarePoison, process.StoreOutcome(At + Page));
            Assert.Equal(2, process.Load(At + (2 * Page)));
            Assert.Equal(0, process.Load(At + (2 * Mebi)));
        }

        bench.Does(file.PunchHole(Page, Page));
        Assert.All(sharers, process => Assert.Equal((0, 2), (process.Load(At + Page), process.Load(At + (2 * Page)))));
        sharers[1].Store(At + Page, 3);
        Assert.Equal((3, 3), (sharers[0].Load(At + Page), late.Load(At + Page)));
        Assert.Equal(Page, bench.Device.RetiredBytes);
        bench.Sound();
    }

    [Fact]
    public void A_memory_file_s_page_that_failed_is_never_used_again()
    {
        using var bench = new OperationBench();
        var file = bench.MemoryFile(4 * Page);
        var sharers = bench.StartSharers(2, file);
        var failed = file.Locate(0);
        bench.Fails(Errno.EINVAL, () => file.Poison(Page));
        bench.Does(file.Poison(0));
        Assert.All(sharers, process => Assert.Equal(AccessOutcome.HardwarePoison, process.LoadOutcome(At)));
        bench.Does(file.PunchHole(0, Page));
        Assert.All(sharers, process => Assert.Equal(0, process.Load(At)));
        Assert.NotEqual(failed, file.Locate(0));
        bench.Sound();
    }

    [Fact]
    public void A_page_that_fails_while_it_is_free_is_given_to_no_file()
    {
        using var bench = new OperationBench(device: 2 * Mebi);
        bench.Does(bench.Device.Poison(Page));
        Assert.Equal((2 * Mebi) - Page, bench.Device.FreeBytes);
        var file = bench.DaxFile(2 * Mebi, []);
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite));
        for (int page = 0; page < 511; page++)
        {
            process.Store(At + (page * Page), 1);
        }

        Assert.Equal(AccessOutcome.BusError, process.StoreOutcome(At + (511 * Page)));
    }

    [Fact]
    public void Bad_places_are_refused()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(2 * Mebi, [new FileExtent(0, 0, Page)]);
        bench.Fails(Errno.EINVAL, () => file.Poison(Page));
        bench.Fails(Errno.EINVAL, () => file.Poison(-1));
        bench.Fails(Errno.EINVAL, () => bench.Device.Poison(1));
        bench.Fails(Errno.EINVAL, () => bench.Device.Poison(8 * Gibi));
        bench.Fails(Errno.EINVAL, () => bench.Device.Migrate(1, Page));
        bench.Fails(Errno.EINVAL, () => bench.Device.Migrate(0, 0));
        bench.Fails(Errno.EINVAL, () => bench.Device.Migrate(8 * Gibi, Page));
    }

    [Fact]
    public void Migration_moves_the_bytes_and_every_process_finds_them()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(3, file);
        sharers[0].Store(At + Page, 1);
        sharers[1].Store(At + (3 * Mebi), 2);
        bench.Does(bench.Device.Migrate(0, 4 * Mebi));
        Assert.All(file.Extents, extent => Assert.True(extent.DeviceOffset >= 4 * Mebi));
        Assert.Equal(4 * Mebi, bench.Device.RetiredBytes);
        Assert.All(sharers, process => Assert.Equal((1, 2), (process.Load(At + Page), process.Load(At + (3 * Mebi)))));
        sharers[2].Store(At + Page, 3);
        Assert.All(sharers, process => Assert.Equal(3, process.Load(At + Page)));
        bench.Sound();
    }

    [Fact]
    public void Migration_does_not_make_failed_bytes_look_like_good_ones()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(2 * Mebi);
        var sharers = bench.StartSharers(2, file);
        sharers[0].Store(At + (2 * Page), 1);
        bench.Does(file.Poison(Page));
        Assert.Equal(Errno.EIO, bench.Device.Migrate(0, 2 * Mebi));
        Assert.All(sharers, process => Assert.Equal((AccessOutcome.HardwarePoison, (byte)1), (process.LoadOutcome(At + Page), process.Load(At + (2 * Page)))));
        Assert.All(file.Extents, extent => Assert.True(extent.DeviceOffset >= 2 * Mebi || extent.Length == Page));
        bench.Sound();
    }

    [Fact]
    public void A_copy_on_write_of_the_block_around_failed_memory_does_not_heal_it()
    {
        using var bench = new OperationBench();
        var source = bench.DaxFile(2 * Mebi, "source");
        var clone = bench.DaxFile(2 * Mebi, [], "clone");
        bench.Does(clone.CloneRange(source, 0, 2 * Mebi, 0));
        bench.Does(source.Poison(Page));
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(clone, Rights.ReadWrite));
        process.Store(At, 1);
        Assert.Equal(AccessOutcome.HardwarePoison, process.LoadOutcome(At + Page));
        Assert.Equal(1, process.Load(At));
        bench.Sound();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_part_of_a_failed_page_is_not_cleared_and_the_whole_page_is_taken_away(bool dax)
    {
        using var bench = new OperationBench();
        MappedFile file = dax ? bench.DaxFile(4 * Page) : bench.MemoryFile(4 * Page);
        var process = bench.StartSharers(1, file)[0];
        process.Store(At + Page, 1);
        process.Store(At + (2 * Page) - 1, 1);
        bench.Does(file.Poison(Page));
        bench.Fails(Errno.EIO, () => file.PunchHole(Page + 100, 10));
        bench.Fails(Errno.EIO, () => file.PunchHole(0, Page + 100));
        bench.Fails(Errno.EIO, () => file.PunchHole((2 * Page) - 1, Page));
        bench.Fails(Errno.EIO, () => file.SetSize(Page + 100));
        Assert.Equal(AccessOutcome.HardwarePoison, process.LoadOutcome(At + Page));
        bench.Does(file.SetSize(Page));
        bench.Does(file.SetSize(4 * Page));
        Assert.Equal((0, 0), (process.Load(At + Page), process.Load(At + (2 * Page) - 1)));
    }

    [Fact]
    public void A_file_whose_last_page_has_failed_does_not_grow_over_it_and_can_be_cut_off()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(Page + 100);
        bench.Does(file.Poison(Page));
        bench.Fails(Errno.EIO, () => file.SetSize(4 * Page));
        bench.Does(file.SetSize(50));
        bench.Does(file.SetSize(4 * Page));
    }

    [Fact]
    public void A_part_of_a_failed_2_MiB_page_of_a_memory_file_is_not_cleared()
    {
        using var bench = new OperationBench();
        var file = bench.MemoryFile(4 * Mebi, 2 * Mebi);
        bench.StartSharers(1, file)[0].Store(At + Page, 1);
        bench.Does(file.Poison(0));
        bench.Fails(Errno.EIO, () => file.PunchHole(Page, Page));
        bench.Fails(Errno.EIO, () => file.SetSize(Page));
        bench.Does(file.PunchHole(0, 2 * Mebi));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_clone_of_a_failed_page_is_not_copied(bool failsFirst)
    {
        using var bench = new OperationBench();
        var source = bench.DaxFile(4 * Page, "source");
        var clone = bench.DaxFile(4 * Page, [], "clone");
        if (failsFirst)
        {
            bench.Does(source.Poison(Page));
        }

        bench.Does(clone.CloneRange(source, 0, 4 * Page, 0));
        if (!failsFirst)
        {
            bench.Does(source.Poison(Page));
        }

        var process = bench.Start();
        process.Map(MapRequest.SharedFile(clone, Rights.ReadWrite));
        bench.Fails(Errno.EIO, () => clone.PunchHole(Page + 1000, 10));
        bench.Fails(Errno.EIO, () => clone.SetSize(Page + 1000));
        Assert.Equal(AccessOutcome.HardwarePoison, process.StoreOutcome(At + Page));
        Assert.Equal(AccessOutcome.HardwarePoison, process.LoadOutcome(At + Page + 2000));
        process.Store(At, 1);
        bench.Does(clone.PunchHole(Page, Page));
        Assert.Equal(0, process.Load(At + Page));
        bench.Sound();
    }

    [Fact]
    public void Migration_without_room_says_so_and_loses_nothing()
    {
        using var bench = new OperationBench(device: 4 * Mebi);
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite));
        process.Store(At + Mebi, 1);
        bench.Fails(Errno.ENOSPC, () => bench.Device.Migrate(0, 2 * Mebi));
        Assert.Equal(1, process.Load(At + Mebi));
    }

    [Fact]
    public async Task Migration_loses_no_store_of_processes_that_go_on_writing()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(3, file);
        var cancel = TestContext.Current.CancellationToken;
        bool stop = false;
        long added = 0;
        var writers = sharers.Select(process => Task.Run(
            () =>
            {
                long mine = 0;
                while (!Volatile.Read(ref stop) || mine < 100)
                {
                    Assert.True(process.Processor.TryAdd(At + (mine % 1024 * Page), 1, out _).IsCompleted);
                    mine++;
                }

                Interlocked.Add(ref added, mine);
            },
            cancel)).ToArray();
        for (int i = 0; i < 60; i++)
        {
            Assert.Equal(Errno.None, bench.Device.Migrate(file.Extents[0].DeviceOffset, Mebi));
        }

        Volatile.Write(ref stop, true);
        await Task.WhenAll(writers);
        bench.Sound();
        ulong sum = 0;
        for (int page = 0; page < 1024; page++)
        {
            Assert.True(sharers[0].Processor.TryRead(At + (page * Page), out ulong value).IsCompleted);
            sum += value;
        }

        Assert.Equal((ulong)added, sum);
    }
}
