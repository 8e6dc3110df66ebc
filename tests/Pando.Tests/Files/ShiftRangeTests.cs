using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Durability;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Files;

/// <summary>FALLOC_FL_COLLAPSE_RANGE and FALLOC_FL_INSERT_RANGE.</summary>
public sealed class ShiftRangeTests
{
    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.None)]
    public void Collapsing_moves_down_what_follows_for_every_process(SharingLevels sharing)
    {
        using var bench = new OperationBench(sharing);
        var file = bench.DaxFile(8 * Mebi);
        var sharers = bench.StartSharers(2, file);
        for (int page = 0; page < 8; page++)
        {
            sharers[0].Store(At + (page * Mebi), (byte)(page + 1));
            sharers[1].Load(At + (page * Mebi));
        }

        bench.Does(file.CollapseRange(2 * Mebi, 3 * Mebi));
        Assert.Equal(5 * Mebi, file.Size);
        foreach (var process in sharers)
        {
            Assert.Equal([1, 2, 6, 7, 8], Enumerable.Range(0, 5).Select(page => (int)process.Load(At + (page * Mebi))));
            Assert.Equal(AccessOutcome.BusError, process.LoadOutcome(At + (5 * Mebi)));
        }

        bench.Does(file.InsertRange(Mebi, Mebi));
        Assert.Equal(6 * Mebi, file.Size);
        foreach (var process in sharers)
        {
            Assert.Equal([1, 0, 2, 6, 7, 8], Enumerable.Range(0, 6).Select(page => (int)process.Load(At + (page * Mebi))));
        }

        sharers[0].Store(At + Mebi, 9);
        Assert.Equal(9, sharers[1].Load(At + Mebi));
        bench.Sound();
    }

    [Fact]
    public void Private_copies_past_the_end_of_a_collapsed_file_are_gone_and_others_stay_where_they_are()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.Start();
        process.Map(MapRequest.PrivateFile(file, Rights.ReadWrite));
        process.Store(At + Mebi, 1);
        process.Store(At + (3 * Mebi), 2);
        bench.Does(file.CollapseRange(0, 2 * Mebi));
        Assert.Equal(1, process.Load(At + Mebi));
        Assert.Equal(AccessOutcome.BusError, process.LoadOutcome(At + (3 * Mebi)));
    }

    [Fact]
    public void What_was_written_is_written_back_before_it_moves()
    {
        var storage = new ForgettingStorage(8 * Mebi);
        using var bench = new OperationBench(storage, largePages: false);
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite));
        process.Store(At, 1);
        process.Store(At + (3 * Mebi), 2);
        bench.Does(file.CollapseRange(Mebi, Mebi));
        Assert.Equal(Page, file.DirtyBytes);
        Assert.Equal(2ul, storage.Read(file.Locate(2 * Mebi)!.Value - bench.Device.Start, live: false));
        process.Store(At + (2 * Mebi), 3);
        Assert.Equal(2 * Page, file.DirtyBytes);
        bench.Does(file.WriteBack());
        Assert.Equal(0, file.DirtyBytes);
        Assert.Equal(3ul, storage.Read(file.Locate(2 * Mebi)!.Value - bench.Device.Start, live: false));
    }

    [Fact]
    public void Bad_arguments_are_refused_and_nothing_changes()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        bench.StartSharers(1, file);
        foreach (var (offset, length) in new (long, long)[] { (1, Page), (0, 100), (0, 0), (-Page, Page) })
        {
            bench.Fails(Errno.EINVAL, () => file.CollapseRange(offset, length));
            bench.Fails(Errno.EINVAL, () => file.InsertRange(offset, length));
        }

        bench.Fails(Errno.EINVAL, () => file.CollapseRange(2 * Mebi, 2 * Mebi));
        bench.Fails(Errno.EINVAL, () => file.InsertRange(4 * Mebi, Page));
        bench.Fails(Errno.EFBIG, () => file.InsertRange(0, 1L << 61));
    }
}
