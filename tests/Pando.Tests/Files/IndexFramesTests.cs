using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Durability;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Files;

/// <summary>What a file keeps in RAM about its pages goes with them.</summary>
public sealed class IndexFramesTests
{
    /// <summary>A file of 1 TiB in 8 MiB of RAM: each page that is stored to lies in another frame of the index, and in another table.</summary>
    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.UpTo2MiB)]
    [InlineData(SharingLevels.None)]
    public void Pages_of_a_sparse_memory_file_may_come_and_go_for_ever(SharingLevels sharing)
    {
        using var machine = new Machine(new MachineOptions { Ram = 8 * Mebi, Sharing = sharing });
        var file = machine.CreateMemoryFile("sparse", 1024 * Gibi);
        var space = machine.CreateSpace();
        for (long i = 0; i < 5000; i++)
        {
            // Hither and thither, so that all levels of the index come and go.
            long offset = i * 77_777 % (512 * 1024) * 2 * Mebi;
            var at = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Offset = offset, Length = 2 * Mebi });
            Assert.Equal(Errno.None, at.Error);
            Assert.True(space.Fault(at.Value, AccessKind.Write).IsResolved);
            Assert.Equal(Errno.None, file.PunchHole(offset, Page));
            Assert.Equal(Errno.None, space.Unmap(at.Value, 2 * Mebi));
        }

        machine.Audit().ThrowIfUnsound();
        Assert.Equal((0, 0), file.Frames);
    }

    /// <summary>The same in one mapping: the file's tables of what has been punched are given back, though others lead to them.</summary>
    [Fact]
    public void Pages_of_a_mapped_sparse_memory_file_may_come_and_go_for_ever()
    {
        using var machine = new Machine(new MachineOptions { Ram = 8 * Mebi });
        var file = machine.CreateMemoryFile("sparse", 1024 * Gibi);
        var space = machine.CreateSpace();
        var start = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        for (long i = 0; i < 5000; i++)
        {
            long offset = i * 2 * Mebi;
            Assert.True(space.Fault(start + offset, AccessKind.Write).IsResolved);
            Assert.Equal(Errno.None, file.PunchHole(offset, Page));
        }

        machine.Audit().ThrowIfUnsound();
        Assert.Equal((0, 0), file.Frames);
    }

    [Fact]
    public void A_truncated_memory_file_keeps_no_frame_of_its_index()
    {
        using var bench = new OperationBench();
        var file = bench.MemoryFile(1024 * Gibi);
        var process = bench.StartSharers(1, file)[0];
        for (int i = 0; i < 100; i++)
        {
            process.Store(At + (i * 10 * Gibi), 1);
        }

        Assert.True(file.Frames.Index > 100);
        bench.Does(file.SetSize(Page));
        Assert.Equal(1, file.Frames.Data);
        bench.Does(file.SetSize(0));
        Assert.Equal((0, 0), file.Frames);
    }

    /// <summary>One mark in each 128 MiB: each in another frame.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Marks_of_what_was_written_keep_no_frame_once_it_is_written_back_or_punched(bool punches)
    {
        using var bench = new OperationBench(largePages: false);
        var file = bench.DaxFile(8 * Gibi);
        var process = bench.StartSharers(1, file)[0];
        for (int i = 0; i < 64; i++)
        {
            process.Store(At + (i * 128 * Mebi), 1);
        }

        Assert.True(file.Dirty!.FrameCount > 64);
        bench.Does(punches ? file.PunchHole(0, 8 * Gibi) : file.WriteBack());
        Assert.Equal((0L, 0), (file.DirtyBytes, file.Dirty.FrameCount));
    }

    /// <summary>A write-back takes the last marks of a frame; they come back where not even one frame is to be had.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Marks_come_back_without_memory_when_storage_fails(bool largePages)
    {
        var storage = new ForgettingStorage(8 * Mebi);
        using var bench = new OperationBench(storage, largePages: largePages);
        var file = bench.DaxFile(6 * Mebi);
        var process = bench.StartSharers(1, file)[0];
        process.Store(At, 7);
        process.Store(At + (5 * Mebi), 8);
        var (bytes, frames) = (file.DirtyBytes, file.Dirty!.FrameCount);
        for (int n = 0; n < 2; n++)
        {
            storage.FailAt = storage.Calls + n;
            storage.Syncing = (_, _) =>
            {
                // All that waits is given back, and from here on nothing is to be had.
                bench.Machine.Reclaim();
                bench.Machine.Store.Omissions[OmittedStep.Allocation] = () => true;
            };
            Assert.Equal(Errno.EIO, file.WriteBack());
            bench.Machine.Store.Omissions[OmittedStep.Allocation] = null;
            storage.Syncing = null;
            Assert.Equal((bytes, frames), (file.DirtyBytes, file.Dirty.FrameCount));
            bench.Sound();
            process.Store(At, 9);
            process.Store(At + (5 * Mebi), 10);
        }

        bench.Does(file.WriteBack());
        Assert.Equal((0L, 0), (file.DirtyBytes, file.Dirty.FrameCount));
    }

    /// <summary>Others mark the same, or take what was taken beside it away, while the marks are out.</summary>
    [Fact]
    public void Marks_that_come_back_beside_others_are_counted_once()
    {
        using var machine = new Machine(new MachineOptions { Ram = 8 * Mebi });
        var set = new DirtySet(machine.Store);
        Assert.True(set.TryMark(0, 3 * Page));
        Assert.True(set.TryMark(64 * Page, Page));
        using (var taken = set.Take(Page, 65 * Page))
        {
            Assert.Equal([(Page, 2 * Page), (64 * Page, Page)], taken.Ranges);
            set.Forget(0, Page);
            Assert.True(set.TryMark(64 * Page, 2 * Page));
            machine.Store.Omissions[OmittedStep.Allocation] = () => true;
        }

        machine.Store.Omissions[OmittedStep.Allocation] = null;
        Assert.Equal([(Page, 2 * Page), (64 * Page, 2 * Page)], set.Marked());
        Assert.Equal(4 * Page, set.Bytes);
        using (var taken = set.Take(0, Gibi))
        {
            taken.Settle();
        }

        Assert.Equal((0L, 0), (set.Bytes, set.FrameCount));
        machine.Reclaim();
        Assert.Equal(1, machine.FramesInUse);
    }
}
