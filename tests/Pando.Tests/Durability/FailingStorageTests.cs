using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Durability;

/// <summary>Storage that fails: what is said of it and to whom, and that nothing is lost or half done.</summary>
public sealed class FailingStorageTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_write_back_that_fails_says_so_and_the_next_one_writes_back(bool largePages)
    {
        var storage = new ForgettingStorage(8 * Mebi);
        using var bench = new OperationBench(storage, largePages: largePages);
        var file = bench.DaxFile(6 * Mebi);
        var process = bench.StartSharers(1, file)[0];
        process.Store(At, 7);
        process.Store(At + (5 * Mebi), 8);
        long dirty = file.DirtyBytes;

        // The data at the first and the second call, the metadata (of a file that has grown) at the third.
        bench.Does(file.SetSize((6 * Mebi) + 1));
        foreach (int n in (int[])[0, 1, 2])
        {
            storage.FailAt = storage.Calls + n;
            Assert.Equal(Errno.EIO, file.WriteBack());
            Assert.Equal(n < 2 ? dirty : 0, file.DirtyBytes);
            bench.Sound();
            process.Store(At, 9);
            process.Store(At + (5 * Mebi), 10);
            dirty = file.DirtyBytes;
        }

        bench.Does(file.WriteBack());
        Assert.Equal(0, file.DirtyBytes);
        Assert.Equal((9ul, 10ul), (Durable(bench, storage, file, 0), Durable(bench, storage, file, 5 * Mebi)));
        Assert.Equal(storage.Changes(file), storage.Committed(file));
    }

    [Fact]
    public void Everybody_who_has_the_file_open_learns_of_an_error_once()
    {
        var storage = new ForgettingStorage(8 * Mebi);
        using var bench = new OperationBench(storage);
        var file = bench.DaxFile(4 * Mebi);
        using var other = file.Open();
        using var mapped = file.Open();
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Opened = mapped });
        var child = process.Fork();
        process.Store(At, 7);
        storage.FailAt = storage.Calls;
        Assert.Equal(Errno.EIO, file.WriteBack());

        // The retry succeeds, and those who were not told yet are told all the same.
        Assert.Equal(Errno.None, file.WriteBack());
        Assert.Equal((Errno.EIO, Errno.None), (other.WriteBack(Page, Page), other.WriteBack(Page, Page)));
        Assert.Equal((Errno.EIO, Errno.None), (child.Space.Sync(At, Page), process.Space.Sync(At, Page)));
        Assert.Equal(Errno.None, mapped.WriteBack());

        // Who opens the file afterwards is not concerned by what others know.
        using var late = file.Open();
        Assert.Equal(Errno.None, late.WriteBack());

        // Two errors before anybody looks again are one.
        process.Store(At, 8);
        storage.FailsAlways = true;
        Assert.Equal((Errno.EIO, Errno.EIO), (file.WriteBack(), file.WriteBack()));
        storage.FailsAlways = false;
        Assert.Equal((Errno.EIO, Errno.None), (late.WriteBack(), late.WriteBack()));
        Assert.Equal((Errno.EIO, Errno.None), (other.WriteBack(), other.WriteBack()));
    }

    [Fact]
    public void An_error_that_nobody_has_seen_is_told_to_who_opens_the_file_next()
    {
        var errors = new ErrorSequence();
        long early = errors.Sample();
        Assert.Equal(Errno.None, errors.CheckAndAdvance(ref early));
        errors.Set(Errno.EIO);
        long late = errors.Sample();
        Assert.Equal((Errno.EIO, Errno.None), (errors.CheckAndAdvance(ref late), errors.CheckAndAdvance(ref late)));
        long later = errors.Sample();
        Assert.Equal(Errno.None, errors.CheckAndAdvance(ref later));
        errors.Set(Errno.ENOSPC);
        errors.Set(Errno.EIO);
        Assert.Equal((Errno.EIO, Errno.None), (errors.CheckAndAdvance(ref early), errors.CheckAndAdvance(ref early)));
        Assert.Equal((Errno.EIO, Errno.EIO), (errors.CheckAndAdvance(ref late), errors.CheckAndAdvance(ref later)));
    }

    [Fact]
    public void What_is_closed_answers_EBADF_and_its_mappings_go_on()
    {
        var storage = new ForgettingStorage(8 * Mebi);
        using var bench = new OperationBench(storage);
        var file = bench.DaxFile(2 * Mebi);
        var opened = file.Open();
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Opened = opened });
        opened.Dispose();
        opened.Dispose();
        Assert.Equal(Errno.EBADF, opened.WriteBack());
        file.Dispose();
        Assert.False(file.HasEnded);
        process.Store(At, 7);
        storage.FailAt = storage.Calls;
        Assert.Equal(Errno.EIO, process.Space.Sync(At, Page));
        Assert.Equal(Errno.None, process.Space.Sync(At, Page));
        Assert.Equal(7ul, Durable(bench, storage, file, 0));
    }

    [Fact]
    public void A_store_with_MAP_SYNC_whose_metadata_cannot_be_made_durable_is_a_bus_error()
    {
        var storage = new ForgettingStorage(8 * Mebi);
        using var bench = new OperationBench(storage);
        var file = bench.DaxFile(2 * Mebi, []);
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Synchronous = true });
        storage.FailAt = storage.Calls + 2; // Clear, Sync, SyncMetadata
        Assert.Equal(AccessOutcome.BusError, process.StoreOutcome(At));
        bench.Sound();
        Assert.Equal(0, file.DirtyBytes);
        process.Store(At, 7);
        Assert.Equal(storage.Changes(file), storage.Committed(file));
    }

    private enum Change
    {
        FillHole,
        CopyToStore,
        SetSize,
        PunchHole,
        Collapse,
        Insert,
        Clone,
        Migrate,
        Create,
        CreateSparse,
        TakeWhatWasLeft,
    }

    public static TheoryData<string> Changes => [.. Enum.GetNames<Change>()];

    [Theory]
    [MemberData(nameof(Changes))]
    public void Whichever_call_of_storage_fails_nothing_has_changed_and_the_same_operation_succeeds_afterwards(string change)
    {
        int n = 0;
        for (bool failed = true; failed; n++)
        {
            failed = FailsAt(Enum.Parse<Change>(change), n);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{n - 1} calls");
        Assert.True(n > 1, "The operation calls storage.");
    }

    /// <returns>Whether the operation comes to the n-th call.</returns>
    private static bool FailsAt(Change change, int n)
    {
        var storage = new ForgettingStorage(16 * Mebi);
        using var bench = new OperationBench(storage, largePages: n % 2 == 0);
        var file = bench.DaxFile(4 * Mebi, [new FileExtent(0, 0, 2 * Mebi)]);
        var clone = bench.DaxFile(2 * Mebi, [], "clone");
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite));
        process.Map(MapRequest.SharedFile(clone, Rights.ReadWrite), At + Gibi);
        process.Store(At + Page, 1);
        process.Store(At + Mebi, 2);
        bench.Does(clone.CloneRange(file, 0, Mebi, 0));
        process.Store(At + Gibi + (5 * Page), 3);
        if (change == Change.TakeWhatWasLeft)
        {
            // Nothing is free but what the metadata lead to until they are durable.
            bench.Does(file.PunchHole(Mebi, Mebi));
            while (bench.Device.Space.Free > 0)
            {
                _ = bench.Device.CreateFile("rest", Page);
            }
        }

        process.Store(At + (8 * Page), 4);
        string before = Describe();
        storage.FailAt = storage.Calls + n;
        var outcome = Do();
        bool failed = storage.TakeFailure();
        storage.FailAt = -1;
        Assert.Equal(failed ? Errno.EIO : Errno.None, outcome);
        bench.Sound();
        if (failed)
        {
            Assert.Equal(before, Describe());
            Assert.Equal(Errno.None, Do());
            bench.Sound();
        }

        Assert.Equal(Errno.None, file.WriteBack());
        Assert.Equal(Errno.None, clone.WriteBack());
        process.Space.Exit();
        file.Dispose();
        clone.Dispose();
        bench.Sound();
        return failed;

        Errno Do()
        {
            switch (change)
            {
                case Change.FillHole:
                    return Store(At + (3 * Mebi));
                case Change.CopyToStore:
                    return Store(At + (20 * Page));
                case Change.SetSize:
                    return clone.SetSize((10 * Page) + 100);
                case Change.PunchHole:
                    return clone.PunchHole((10 * Page) + 100, 20 * Page);
                case Change.Collapse:
                    return file.CollapseRange(Page, Page);
                case Change.Insert:
                    return file.InsertRange(Page, Page);
                case Change.Clone:
                    return clone.CloneRange(file, 0, Mebi, Mebi);
                case Change.Migrate:
                    return bench.Device.Migrate(0, Mebi);
                case Change.TakeWhatWasLeft:
                    return Store(At + (3 * Mebi));
                default:
                    try
                    {
                        using var made = change == Change.Create ? bench.Device.CreateFile("made", Mebi) : bench.Device.CreateFile("made", Mebi, []);
                        return Errno.None;
                    }
                    catch (IOException)
                    {
                        return Errno.EIO;
                    }
            }
        }

        Errno Store(VirtualAddress at) => process.StoreOutcome(at, 9) switch
        {
            AccessOutcome.Completed => Errno.None,
            AccessOutcome.BusError => Errno.EIO,
            var other => throw new InvalidOperationException(other.ToString()),
        };

        // What a program can see; which extents are told apart as shared, and where a page lies, is not of it.
        string Describe()
        {
            var text = new System.Text.StringBuilder();
            foreach (var known in (DaxFile[])[file, clone])
            {
                text.Append(known.Size).Append(' ').Append(known.Extents.Sum(extent => extent.Length)).AppendLine();
                for (long offset = 0; offset < known.Size; offset += Page)
                {
                    var place = known.Locate(offset)!.Value;
                    text.Append(bench.Machine.Memory.Bytes(place, 1)[0]);
                }
            }

            return text.Append(change is Change.Migrate or Change.SetSize or Change.PunchHole ? 0 : bench.Device.FreeBytes).ToString();
        }
    }

    private static ulong Durable(OperationBench bench, ForgettingStorage storage, DaxFile file, long offset) =>
        storage.Read(file.Locate(offset)!.Value - bench.Device.Start, live: false);
}
