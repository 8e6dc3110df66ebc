using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Durability;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Files;

/// <summary>Where files begin and end: nothing of one is another's, and what has ended answers.</summary>
public sealed class FileEndTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_new_file_is_zero_where_another_lay(bool inOnePiece)
    {
        var storage = new ForgettingStorage(8 * Mebi);
        using var bench = new OperationBench(storage);
        var first = bench.DaxFile(4 * Mebi, "first");
        var process = bench.StartSharers(1, first)[0];
        process.Store(At + Page, 1);
        process.Store(At + (3 * Mebi), 2);
        bench.Does(first.WriteBack());
        bench.Does(process.Space.Unmap(At, 4 * Mebi));
        first.Dispose();
        var second = inOnePiece ? bench.DaxFile(8 * Mebi, "second") : bench.DaxFile(8 * Mebi, [new FileExtent(0, 0, 8 * Mebi)], "second");
        process.Map(MapRequest.SharedFile(second, Rights.ReadWrite));
        for (long at = 0; at < 8 * Mebi; at += Page)
        {
            Assert.Equal(0, process.Load(At + at));
            Assert.Equal(0ul, storage.Read(second.Locate(at)!.Value - bench.Device.Start, live: false));
        }
    }

    [Fact]
    public void A_file_that_has_ended_answers_EBADF_and_takes_nothing()
    {
        using var bench = new OperationBench();
        var source = bench.DaxFile(2 * Mebi, "source");
        var ended = bench.DaxFile(2 * Mebi, "ended");
        long free = bench.Device.FreeBytes;
        ended.Dispose();
        Assert.True(ended.HasEnded);
        free += 2 * Mebi;
        Assert.Equal(Errno.EBADF, ended.CloneRange(source, 0, 2 * Mebi, 0));
        Assert.Equal(Errno.EBADF, source.CloneRange(ended, 0, 2 * Mebi, 0));
        Assert.Equal(Errno.EBADF, ended.SetSize(4 * Mebi));
        Assert.Equal(Errno.EBADF, ended.SetSize(0));
        Assert.Equal(Errno.EBADF, ended.PunchHole(0, Page));
        Assert.Equal(Errno.EBADF, ended.CollapseRange(0, Page));
        Assert.Equal(Errno.EBADF, ended.InsertRange(0, Page));
        Assert.Equal(Errno.EBADF, ended.WriteBack());
        Assert.Equal(Errno.EBADF, ended.Poison(0));
        Assert.Throws<ObjectDisposedException>(ended.Open);
        Assert.Empty(ended.Extents);
        Assert.Equal(free, bench.Device.FreeBytes);
        Assert.False(Assert.Single(source.Extents).IsShared);
        var memory = bench.MemoryFile(Page);
        memory.Dispose();
        Assert.Equal(Errno.EBADF, memory.SetSize(2 * Page));
        Assert.Equal(Errno.EBADF, memory.PunchHole(0, Page));
        Assert.Equal(Errno.EBADF, memory.WriteBack());
        Assert.Equal(Errno.EBADF, memory.Poison(0));
        bench.Sound();
    }

    [Fact]
    public void A_closed_file_works_as_long_as_it_is_mapped_or_open()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(2 * Mebi);
        var opened = file.Open();
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite));
        file.Dispose();
        process.Store(At, 1);
        bench.Does(file.SetSize(4 * Mebi));
        bench.Does(file.PunchHole(0, Page));
        Assert.Equal(0, process.Load(At));
        process.Space.Exit();
        Assert.False(file.HasEnded);
        bench.Does(file.WriteBack());
        opened.Dispose();
        Assert.True(file.HasEnded);
        Assert.Equal(bench.Device.Size, bench.Device.FreeBytes);
    }

    [Fact]
    public void Space_that_was_left_is_used_again_when_the_metadata_are_durable_and_not_before()
    {
        var storage = new ForgettingStorage(4 * Mebi);
        using var bench = new OperationBench(storage);
        var file = bench.DaxFile(4 * Mebi);
        bench.Does(file.PunchHole(0, Mebi));
        Assert.Equal((Mebi, 0), (bench.Device.FreeBytes, bench.Device.Space.Free));
        storage.FailsAlways = true;
        Assert.Throws<IOException>(() => bench.Device.CreateFile("other", Page));
        storage.FailsAlways = false;
        Assert.Equal((Mebi, 0), (bench.Device.FreeBytes, bench.Device.Space.Free));
        Assert.True(storage.Committed(file) < storage.Changes(file));
        bench.Device.CreateFile("other", Page).Dispose();
        Assert.Equal(storage.Changes(file), storage.Committed(file));

        // A write-back makes them durable as well.
        bench.Does(file.PunchHole(Mebi, Mebi));
        bench.Does(file.WriteBack(0, 0));
        Assert.True(bench.Device.Space.Free >= Mebi);
        bench.Sound();
    }
}
