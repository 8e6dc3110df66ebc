using Examples;
using Pando.Hardware;
using Pando.Machines;
using Pando.Platforms;
using Pando.Spaces;

namespace Pando.Seam.Tests;

/// <summary>A kind of file that is derived outside of the library.</summary>
public sealed class ProvidedFileTests : IDisposable
{
    private const int Page = 4096;

    private readonly Machine _machine = new(new MachineOptions { Ram = 64L << 20 });
    private readonly AddressSpace _space;
    private readonly AddressSpace _other;
    private readonly SoftwareProcessor _processor;

    public ProvidedFileTests()
    {
        _space = _machine.CreateSpace();
        _other = _machine.CreateSpace();
        _processor = _machine.AddProcessor();
    }

    public void Dispose()
    {
        _machine.Audit().ThrowIfUnsound();
        _machine.Dispose();
    }

    [Fact]
    public void Pages_come_from_the_stream_once_for_all_processes()
    {
        using var stream = new MemoryStream(Numbers(0, 4 * Page));
        using var file = new StreamFile(_machine, "stream", stream);
        var here = _space.Map(MapRequest.SharedFile(file, Rights.Read)).Value;
        var there = _other.Map(MapRequest.SharedFile(file, Rights.Read)).Value;

        Assert.Equal(Numbers(Page - 8, 16), Read(_space, here + Page - 8, 16));
        stream.Position = 0;
        stream.Write(new byte[2 * Page]);
        Assert.Equal(Numbers(Page - 8, 16), Read(_other, there + Page - 8, 16));
        Assert.Equal(Numbers(3 * Page, 8), Read(_other, there + (3 * Page), 8));
        Assert.Equal(AccessOutcome.NotAllowed, _processor.TryWrite(there, 1UL).Outcome);
    }

    [Fact]
    public void A_stream_that_grows_shrinks_and_changes_is_followed_by_every_process()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, Numbers(0, Page + 100));
            using var stream = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            using var file = new StreamFile(_machine, "followed", stream);
            var at = _space.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = 8 * Page }).Value;
            Assert.Equal(Numbers(Page, 100), Read(_space, at + Page, 100));
            Assert.Equal(new byte[8], Read(_space, at + Page + 100, 8));
            Assert.Equal(AccessOutcome.BusError, Outcome(_space, at + (2 * Page)));

            using (var writer = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite))
            {
                writer.Write(Numbers(Page + 100, (2 * Page) - 100));
            }

            Assert.Equal(Errno.None, file.Follow(0, 0));
            Assert.Equal(Numbers(Page, 2 * Page), Read(_space, at + Page, 2 * Page));

            using (var writer = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            {
                writer.SetLength(Page + 8);
                writer.Write(Numbers(7, 8));
            }

            Assert.Equal(Errno.None, file.Follow(0, 8));
            Assert.Equal(Numbers(7, 8), Read(_space, at, 8));
            Assert.Equal((byte[])[.. Numbers(Page, 8), 0], Read(_space, at + Page, 9));
            Assert.Equal(AccessOutcome.BusError, Outcome(_space, at + (2 * Page)));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Stores_go_back_when_the_file_is_written_back_and_only_those()
    {
        using var stream = new MemoryStream();
        stream.Write(Numbers(0, (2 * Page) + 10));
        using var file = new StreamFile(_machine, "written", stream);
        var at = _space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        _processor.Switch(_space);
        Assert.True(_processor.TryWrite(at + (2 * Page), 0xff00ff00ff00ff00UL).IsCompleted);
        Assert.Equal(Page, file.DirtyBytes);
        Assert.Equal(Numbers(0, (2 * Page) + 10), stream.ToArray());

        Assert.Equal(Errno.None, file.WriteBack());

        Assert.Equal(0, file.DirtyBytes);
        Assert.Equal((2 * Page) + 10, stream.Length);
        Assert.Equal(0xff00ff00ff00ff00UL, BitConverter.ToUInt64(stream.ToArray(), 2 * Page));
        Assert.Equal(Numbers(0, 2 * Page), stream.ToArray()[..(2 * Page)]);

        // Noticed again, and lost by a refresh that comes before the write-back.
        Assert.True(_processor.TryWrite(at, 1UL).IsCompleted);
        Assert.Equal(Page, file.DirtyBytes);
        Assert.Equal(Errno.None, file.Follow(0, 1));
        Assert.Equal(0, file.DirtyBytes);
        Assert.Equal(Numbers(0, 8), Read(_space, at, 8));
    }

    [Fact]
    public void A_page_that_changes_while_it_is_read_is_read_again()
    {
        using var file = new OwnFile(_machine, 2 * Page);
        var at = _space.Map(MapRequest.SharedFile(file, Rights.Read)).Value;
        file.Read = (offset, page, call) =>
        {
            page.Fill((byte)call);
            return call == 1 ? file.Change(0, 1) : Errno.None;
        };
        Assert.Equal((byte[])[2, 2], Read(_space, at, 2));

        // Even the size may change, up and down, from within.
        file.Read = (offset, page, call) => file.SetSize(Page);
        Assert.Equal(AccessOutcome.BusError, Outcome(_space, at + Page));
        Assert.Equal(Page, file.Size);
    }

    [Fact]
    public void What_cannot_be_read_is_a_bus_error_and_what_is_thrown_goes_to_who_asked()
    {
        using var file = new OwnFile(_machine, Page);
        var at = _space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        file.Read = (_, _, _) => Errno.EIO;
        Assert.Equal(AccessOutcome.BusError, Outcome(_space, at));
        int frames = _machine.FramesInUse;
        Assert.Equal(AccessOutcome.BusError, Outcome(_space, at));
        file.Read = (_, _, _) => throw new TimeoutException();
        Assert.Throws<TimeoutException>(() => Outcome(_space, at));
        Assert.Equal(frames, _machine.FramesInUse);
        file.Read = (_, page, _) =>
        {
            page.Fill(9);
            return Errno.None;
        };
        Assert.Equal((byte[])[9], Read(_space, at, 1));
    }

    [Fact]
    public void A_write_back_that_fails_or_throws_or_uses_the_file_leaves_the_page_marked()
    {
        using var file = new OwnFile(_machine, Page);
        var at = _space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        _processor.Switch(_space);
        Assert.True(_processor.TryWrite(at, 1UL).IsCompleted);

        file.Written = _ => Errno.ENOSPC;
        Assert.Equal(Errno.EIO, file.WriteBack());
        file.Written = _ => throw new TimeoutException();
        Assert.Throws<TimeoutException>(() => file.WriteBack());
        file.Written = _ => file.SetSize(0);
        Assert.Throws<InvalidOperationException>(() => file.WriteBack());
        file.Written = _ => file.Change(0, 1);
        Assert.Throws<InvalidOperationException>(() => file.WriteBack());
        Assert.Equal((Page, (long)Page), (file.DirtyBytes, file.Size));

        file.Written = _ => Errno.None;
        Assert.Equal(Errno.None, file.WriteBack());
        Assert.Equal(0, file.DirtyBytes);
    }

    [Fact]
    public void A_private_mapping_copies_what_was_read_and_keeps_it()
    {
        using var file = new OwnFile(_machine, Page);
        var at = _space.Map(MapRequest.PrivateFile(file, Rights.ReadWrite)).Value;
        _processor.Switch(_space);
        Assert.True(_processor.TryWrite(at + 8, 5UL).IsCompleted);
        Assert.Equal(Errno.None, file.Change(0, Page));
        Assert.Equal((byte[])[1, 1, 1, 1, 1, 1, 1, 1, 5, 0], Read(_space, at, 10));
        Assert.Equal(0, file.DirtyBytes);
    }

    [Fact]
    public void Bad_ranges_are_refused()
    {
        using var file = new OwnFile(_machine, Page);
        Assert.Equal(Errno.EINVAL, file.Change(-1, 1));
        Assert.Equal(Errno.EINVAL, file.Change(0, 0));
        Assert.Equal(Errno.EFBIG, file.Change(long.MaxValue, 1));
        Assert.Equal(Errno.None, file.Change(0, long.MaxValue));
        Assert.Throws<ArgumentOutOfRangeException>(() => new OwnFile(_machine, -1));
    }

    [Fact]
    public void Changes_beside_accesses_of_many_threads_show_no_page_of_before()
    {
        const int Rounds = 200;
        using var file = new OwnFile(_machine, 4 * Page);
        long version = 1;
        file.Read = (_, page, _) =>
        {
            page.Fill((byte)Volatile.Read(ref version));
            return Errno.None;
        };
        int done = 0;
        string? wrong = null;
        var threads = new Thread[2];
        for (int i = 0; i < threads.Length; i++)
        {
            var space = _machine.CreateSpace();
            var processor = _machine.AddProcessor();
            var at = space.Map(MapRequest.SharedFile(file, Rights.Read)).Value;
            processor.Switch(space);
            threads[i] = new Thread(() =>
            {
                for (int page = 0; Volatile.Read(ref done) == 0; page = (page + 1) % 4)
                {
                    // What is read was true at some moment from the beginning of the access on.
                    byte before = (byte)Volatile.Read(ref version);
                    var result = processor.TryRead(at + (page * Page), out byte value);
                    byte after = (byte)Volatile.Read(ref version);
                    if (!result.IsCompleted || (byte)(value - before + 1) > (byte)(after - before + 1))
                    {
                        wrong = $"{result}: {value} between {before} and {after}";
                    }
                }
            });
            threads[i].Start();
        }

        for (int round = 0; round < Rounds; round++)
        {
            // Until the refresh returns, the version before may be read.
            Volatile.Write(ref version, version + 1);
            Assert.Equal(Errno.None, file.Change(0, 4 * Page));
        }

        Volatile.Write(ref done, 1);
        Array.ForEach(threads, thread => thread.Join());
        Assert.Null(wrong);
    }

    private static byte[] Numbers(int first, int count) => [.. Enumerable.Range(first, count).Select(i => (byte)(i % 251))];

    private byte[] Read(AddressSpace space, VirtualAddress address, int count)
    {
        var bytes = new byte[count];
        _processor.Switch(space);
        Assert.True(_processor.TryRead(address, bytes).IsCompleted);
        return bytes;
    }

    private AccessOutcome Outcome(AddressSpace space, VirtualAddress address)
    {
        _processor.Switch(space);
        return _processor.TryRead(address, out byte _).Outcome;
    }

    private sealed class OwnFile(Machine machine, long size) : ProvidedFile(machine, "own", size, writesBack: true)
    {
        private int _calls;
        private Reader _read = static (_, page, _) =>
        {
            page.Fill(1);
            return Errno.None;
        };

        public delegate Errno Reader(long offset, Span<byte> page, int call);

        public Reader Read
        {
            set => (_read, _calls) = (value, 0);
        }

        public Func<long, Errno> Written { private get; set; } = static _ => Errno.None;

        public Errno Change(long offset, long length) => Refresh(offset, length);

        protected override Errno ReadPage(long offset, Span<byte> page) => _read(offset, page, Interlocked.Increment(ref _calls));

        protected override Errno WritePage(long offset, ReadOnlySpan<byte> page) => Written(offset);
    }
}
