using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Durability;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Files;

/// <summary>fsync, punching holes, and leaves of 2 MiB that come and go.</summary>
public sealed class WriteBackTests
{
    [Theory]
    [InlineData(SharingLevels.All, 2 * Mebi)]
    [InlineData(SharingLevels.UpTo2MiB, 2 * Mebi)]
    [InlineData(SharingLevels.None, 2 * Mebi)]
    public void What_was_written_is_clean_afterwards_and_every_later_store_is_noticed_again(SharingLevels sharing, long dirty)
    {
        using var bench = new OperationBench(sharing);
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(3, file);
        foreach (var process in sharers)
        {
            process.Store(At, 1);
        }

        Assert.Equal(dirty, file.DirtyBytes);
        long flushes = bench.Machine.Count(TableEvent.Flush);
        bench.Does(file.WriteBack());
        Assert.Equal((0L, 1L), (file.DirtyBytes, bench.Machine.Count(TableEvent.Flush) - flushes));
        foreach (var process in sharers)
        {
            process.Store(At + Page, 2);
            Assert.Equal(dirty, file.DirtyBytes);
            bench.Does(file.WriteBack());
        }

        bench.Fails(Errno.EINVAL, () => file.WriteBack(-1));
        bench.Fails(Errno.EINVAL, () => file.WriteBack(0, -1));
    }

    [Fact]
    public void A_range_that_ends_past_all_numbers_is_the_rest_of_the_file()
    {
        using var bench = new OperationBench(largePages: false);
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.StartSharers(1, file)[0];
        process.Store(At, 1);
        process.Store(At + Mebi, 1);
        bench.Does(file.WriteBack(Page, long.MaxValue));
        Assert.Equal(Page, file.DirtyBytes);
        bench.Does(file.WriteBack(long.MaxValue, long.MaxValue));
        Assert.Equal(Page, file.DirtyBytes);
        bench.Does(file.WriteBack(0, long.MaxValue));
        Assert.Equal(0, file.DirtyBytes);
    }

    [Fact]
    public void What_is_cut_out_of_a_leaf_of_2_MiB_that_was_written_counts_no_more()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.StartSharers(1, file)[0];
        process.Store(At, 1);
        process.Store(At + (2 * Mebi), 2);
        Assert.Equal(4 * Mebi, file.DirtyBytes);
        bench.Does(file.PunchHole(Page, Page));
        Assert.Equal((4 * Mebi) - Page, file.DirtyBytes);
        bench.Does(file.SetSize((3 * Mebi) + 100));
        Assert.Equal((3 * Mebi), file.DirtyBytes);
        bench.Does(file.SetSize(Page));
        Assert.Equal(Page, file.DirtyBytes);
        bench.Does(file.WriteBack());
        Assert.Equal(0, file.DirtyBytes);
        process.Store(At, 3);
        Assert.Equal(Page, file.DirtyBytes);
    }

    [Fact]
    public void A_part_of_a_file_is_written_back_alone()
    {
        using var bench = new OperationBench(largePages: false);
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(2, file);
        for (int page = 0; page < 4; page++)
        {
            sharers[page & 1].Store(At + (page * Page), 1);
        }

        bench.Does(file.WriteBack(Page, 2 * Page));
        Assert.Equal(2 * Page, file.DirtyBytes);
        sharers[1].Store(At + (2 * Page), 2);
        Assert.Equal(3 * Page, file.DirtyBytes);
        sharers[0].Store(At, 2);
        Assert.Equal(3 * Page, file.DirtyBytes);
    }

    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.UpTo1GiB)]
    [InlineData(SharingLevels.None)]
    public void A_hole_in_a_leaf_of_2_MiB_makes_small_ones_and_the_large_one_comes_back_when_the_file_is_whole(SharingLevels sharing)
    {
        using var bench = new OperationBench(sharing);
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(2, file);
        foreach (var process in sharers)
        {
            process.Store(At, 1);
            process.Store(At + (5 * Page), 2);
        }

        bench.Does(file.PunchHole(5 * Page, Page));
        Assert.Equal(SmallPageReason.Hole, file.WhySmall(0));
        Assert.All(sharers, process => Assert.Equal((1, 0), (process.Load(At), process.Load(At + (5 * Page)))));
        bench.Sound();
        Assert.Equal(sharing == SharingLevels.None ? (0, 1) : (1, 0), (file.Tables.TablesAt(Level.Pte), sharers[0].Own.Pte));
        bench.Does(file.PunchHole(0, 2 * Mebi));
        sharers[0].Store(At + Page, 3);
        Assert.Equal(SmallPageReason.None, file.WhySmall(0));
        Assert.Equal((3, 0), (sharers[1].Load(At + Page), sharers[1].Load(At)));
        bench.Sound();
        if (sharing != SharingLevels.None)
        {
            bench.Machine.Reclaim();
            Assert.Equal(0, file.Tables.TablesAt(Level.Pte));
        }
    }

    [Fact]
    public void A_hole_frees_its_storage_and_private_copies_stay()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var own = bench.Start();
        own.Map(MapRequest.PrivateFile(file, Rights.ReadWrite));
        own.Store(At, 7);
        own.Load(At + Page);
        long free = bench.Device.FreeBytes;
        bench.Does(file.PunchHole(0, 4 * Mebi));
        Assert.Equal((free + (4 * Mebi), 7, 0), (bench.Device.FreeBytes, own.Load(At), own.Load(At + Page)));
        bench.Fails(Errno.EINVAL, () => file.PunchHole(-1, Page));
        bench.Fails(Errno.EINVAL, () => file.PunchHole(0, 0));
        bench.Fails(Errno.EFBIG, () => file.PunchHole(long.MaxValue, 1));
        bench.Fails(Errno.None, () => file.PunchHole(long.MaxValue - Page, Page));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_copy_on_the_device_is_durable_before_the_file_leads_to_it(bool migrates)
    {
        var storage = new ForgettingStorage(4 * Mebi);
        using var bench = new OperationBench(storage, largePages: false);
        var file = bench.DaxFile(4 * Page);
        var process = bench.StartSharers(1, file)[0];
        process.Store(At, 7);
        bench.Does(file.WriteBack());
        if (!migrates)
        {
            bench.Does(bench.DaxFile(4 * Page, "clone").CloneRange(file, 0, 4 * Page, 0));
        }

        // Where the file lay whenever a piece was about to be made durable.
        var then = new List<(long Start, long End, PhysicalAddress Place)>();
        var before = file.Locate(0)!.Value;
        storage.Syncing = (start, length) => then.Add((start, start + length, file.Locate(0)!.Value));
        if (migrates)
        {
            bench.Does(bench.Device.Migrate(before - bench.Device.Start, 4 * Page));
        }
        else
        {
            process.Store(At, 8);
        }

        storage.Syncing = null;
        long place = file.Locate(0)!.Value - bench.Device.Start;
        Assert.NotEqual(before, file.Locate(0));
        Assert.Contains(then, sync => sync.Start <= place && place < sync.End && sync.Place == before);
        Assert.Equal(migrates ? 7 : 8, process.Load(At));
        bench.Sound();
    }

    [Fact]
    public void A_store_with_MAP_SYNC_does_not_wait_until_others_leave_the_metadata_alone()
    {
        const int Holes = 300;
        using var machine = new Machine(new MachineOptions { Ram = 64 * Mebi, LargePages = false });
        var storage = new CallingStorage(2 * (Holes + 1) * 2 * Mebi);
        var device = machine.AddPmem(storage.Size, storage);
        var file = device.CreateFile("sparse", (Holes + 1) * 2 * Mebi, [new FileExtent(0, 0, Page)]);
        var (filler, syncer) = (machine.CreateSpace(), machine.CreateSpace());
        var holes = filler.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        var page = syncer.Map(new MapRequest(Page, Rights.ReadWrite) { File = file, Shared = true, Synchronous = true }).Value;
        int filled = 0;
        void Fill() => Assert.True(filler.Fault(holes + (2 * Mebi * ++filled), AccessKind.Write).IsResolved);
        Fill();

        // Whenever the metadata become durable, somebody else changes them, as long as the layout may be changed and there are holes.
        storage.SyncingMetadata = () =>
        {
            if (!file.Tables.Invalidate.IsHeld && filled < Holes)
            {
                var other = new Thread(Fill);
                other.Start();
                other.Join();
            }
        };
        Assert.True(syncer.Fault(page, AccessKind.Write).IsResolved);
        Assert.InRange(filled, 2, 4);
        machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void A_write_back_that_waits_for_a_piece_of_a_change_goes_on_before_the_next_piece()
    {
        const int Extents = 4000;
        using var machine = new Machine(new MachineOptions { Ram = 16 * Mebi });
        var storage = new CallingStorage(2 * Extents * Page);
        var device = machine.AddPmem(storage.Size, storage);
        device.MostInPiece = 1;
        var file = device.CreateFile("many", 2 * Extents * Page, [.. Enumerable.Range(0, Extents).Select(i => new FileExtent(2 * i * Page, i * Page, Page))]);
        Assert.Equal(Errno.None, file.WriteBack());
        int pieces = 0;
        int atWriteBack = 0;
        Thread? writeBack = null;
        storage.SyncingMetadata = () => atWriteBack = pieces;
        storage.Changing = () =>
        {
            if (++pieces == 1)
            {
                writeBack = new Thread(() => file.WriteBack());
                writeBack.Start();

                // It sleeps until the piece is done.
                Assert.True(SpinWait.SpinUntil(() => (writeBack.ThreadState & ThreadState.WaitSleepJoin) != 0, TimeSpan.FromMinutes(10)));
            }
        };
        Assert.Equal(Errno.None, file.PunchHole(0, file.Size));
        writeBack!.Join();
        Assert.InRange(pieces, Extents - 1, Extents + 1);
        Assert.InRange(atWriteBack, 1, 2);
        machine.Audit().ThrowIfUnsound();
    }
}
