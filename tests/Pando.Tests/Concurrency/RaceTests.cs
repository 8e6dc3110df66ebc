#if PANDO_CHECKED // The ordinary build has neither checks nor schedule points.
using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Support;

namespace Pando.Tests.Concurrency;

/// <summary>Interleavings that once went wrong, or that the design names, each made to happen.</summary>
[Collection(Schedules.Name)]
public sealed class RaceTests : IDisposable
{
    private const long Mebi = 1L << 20;
    private const long Gibi = 1L << 30;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly Machine _machine = new(new MachineOptions { Ram = 64 * Mebi, Sharing = SharingLevels.UpTo1GiB, LargePages = false });
    private readonly DaxFile _file;

    public RaceTests() => _file = _machine.AddPmem(2 * Gibi).CreateFile("data", Gibi);

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_fault_in_a_table_that_another_thread_leaves_and_frees_puts_no_slot_into_it()
    {
        var space = _machine.CreateSpace();
        Map(space, MapRequest.PrivateFile(_file, Rights.ReadWrite));

        // The table of PTEs exists, but the table of PMDs does not lead to it yet.
        var epoch = _machine.Store.Epochs.Enter();
        _machine.Store.Detach(_file.Tables.Attach(TableKey.For(X64.Geometry, Level.Pte, 0, 0, Gibi, TableClass.Ordinary), make: true));
        epoch.Dispose();

        // A: reads, has counted its slot for the table of PTEs, and is about to lock the table of PMDs.
        using var reader = PausedThread.Run(
            () => Assert.True(space.Fault(At, AccessKind.Read).IsResolved), SchedulePoint.AttachCount, SchedulePoint.LockTaking);

        // B: writes elsewhere in the span, so that the space leaves the table of PMDs; C: frees it.
        Assert.Equal(FaultKind.Copied, space.Fault(At + (10 * Mebi), AccessKind.Write).Kind);
        Assert.True(_file.Tables.TablesAt(Level.Pmd) == 1);
        _machine.Reclaim();
        Assert.Equal(0, _file.Tables.TablesAt(Level.Pmd));
        reader.Finish();

        _machine.Audit().ThrowIfUnsound();
        AssertEndsClean(space);
    }

    [Fact]
    public void A_slot_that_was_read_before_its_table_was_freed_still_reads_as_attached()
    {
        var store = _machine.Store;
        Assert.True(store.TryCreate(_file.Tables, Level.Pte, 0, out var table));
        var slot = store.Format.MakeSlot(Level.Pmd, store.Memory.AddressOf(table), Rights.Read);
        var epoch = store.Epochs.Enter();
        Assert.True(store.IsAttached(slot, Level.Pmd));
        store.RetireTable(table);
        Assert.True(store.IsAttached(slot, Level.Pmd), "A fault that read the slot would take the file's table for one of its space's own.");
        epoch.Dispose();
    }

    [Fact]
    public void Hazard_04_two_first_faults_at_once_make_one_table()
    {
        var (one, two) = (_machine.CreateSpace(), _machine.CreateSpace());
        Map(one, MapRequest.SharedFile(_file, Rights.Read));
        Map(two, MapRequest.SharedFile(_file, Rights.Read));

        // A has found no table of PTEs and is about to make one; B does all of it; A comes second.
        using var first = PausedThread.Run(() => Assert.True(one.Fault(At, AccessKind.Read).IsResolved), SchedulePoint.FrameAllocate);
        Assert.True(two.Fault(At, AccessKind.Read).IsResolved);
        first.Finish();
        Assert.Equal(1, _file.Tables.TablesAt(Level.Pte));
        _machine.Audit().ThrowIfUnsound();
        AssertEndsClean(one, two);
    }

    [Fact]
    public void Hazard_12_the_count_of_tables_is_right_when_the_race_for_a_private_table_is_lost()
    {
        var space = _machine.CreateSpace();
        Assert.True(space.Map(MapRequest.Anonymous(4 * Mebi, Rights.ReadWrite) with { Address = At, Placement = MapPlacement.Fixed }).Succeeded);
        using var first = PausedThread.Run(() => Assert.True(space.Fault(At, AccessKind.Write).IsResolved), SchedulePoint.FrameAllocate);
        Assert.True(space.Fault(At + 4096, AccessKind.Write).IsResolved);
        first.Finish();
        Assert.Equal(4, space.TableCount);
        _machine.Audit().ThrowIfUnsound();
        AssertEndsClean(space);
    }

    [Fact]
    public void Hazard_14_a_fault_whose_table_is_left_meanwhile_writes_into_no_other_process()
    {
        // The table of PTEs is shared with another process; the reader's leaf for it is true for all and may stand.
        var (space, sharer) = (_machine.CreateSpace(), _machine.CreateSpace());
        Map(space, MapRequest.PrivateFile(_file, Rights.ReadWrite));
        Map(sharer, MapRequest.SharedFile(_file, Rights.ReadWrite));
        Assert.True(space.Fault(At, AccessKind.Read).IsResolved);
        using var reader = PausedThread.Run(
            () => Assert.True(space.Fault(At + 4096, AccessKind.Read).IsResolved), SchedulePoint.EpochEntered, SchedulePoint.LockTaking);
        Assert.Equal(FaultKind.Copied, space.Fault(At + 8192, AccessKind.Write).Kind);
        reader.Finish();
        _machine.Audit().ThrowIfUnsound();
        var tables = new TableReader(_machine.Format, _machine.Memory);
        Assert.Equal(_file.Locate(4096), tables.Translate(sharer, At + 4096, AccessKind.Read));
        Assert.Null(tables.Translate(sharer, At + 8192, AccessKind.Read));
        AssertEndsClean(space, sharer);
    }

    [Fact]
    public void A_leaf_for_a_hole_that_gets_storage_meanwhile_is_not_put_in()
    {
        var holes = _machine.AddPmem(8 * Mebi).CreateFile("holes", 4 * Mebi, []);
        var (space, writer) = (_machine.CreateSpace(), _machine.CreateSpace());
        Map(space, MapRequest.SharedFile(holes, Rights.Read));
        Map(writer, MapRequest.SharedFile(holes, Rights.ReadWrite));
        Assert.True(space.Fault(At + 8192, AccessKind.Read).IsResolved);

        // A has seen the hole and is about to put the page of zeroes; B gives the hole storage.
        using var reader = PausedThread.Run(
            () => Assert.True(space.Fault(At + 4096, AccessKind.Read).IsResolved), SchedulePoint.EpochEntered, SchedulePoint.LockTaking);
        Assert.True(writer.Fault(At + 4096, AccessKind.Write).IsResolved);
        reader.Finish();
        _machine.Audit().ThrowIfUnsound();
        var tables = new TableReader(_machine.Format, _machine.Memory);
        Assert.Equal(holes.Locate(4096), tables.Translate(space, At + 4096, AccessKind.Read));
        Assert.NotEqual(_machine.VirtualMemory.ZeroPageAddress, holes.Locate(4096));
        space.Exit();
        writer.Exit();
        holes.Dispose();
        AssertEndsClean();
    }

    [Fact]
    public void A_page_copied_on_write_by_two_threads_is_copied_once()
    {
        var space = _machine.CreateSpace();
        Map(space, MapRequest.PrivateFile(_file, Rights.ReadWrite));
        Assert.True(space.Fault(At, AccessKind.Write).IsResolved);
        Assert.True(space.Fault(At + 4096, AccessKind.Read).IsResolved);
        using var first = PausedThread.Run(() => Assert.True(space.Fault(At + 4096, AccessKind.Write).IsResolved), SchedulePoint.FrameAllocate, SchedulePoint.LockReleased, SchedulePoint.LockTaking);
        Assert.True(space.Fault(At + 4096, AccessKind.Write).IsResolved);
        var tables = new TableReader(_machine.Format, _machine.Memory);
        var place = tables.Translate(space, At + 4096, AccessKind.Write)!.Value;
        _machine.Memory.Bytes(place, 1)[0] = 42;
        first.Finish();
        Assert.Equal(place, tables.Translate(space, At + 4096, AccessKind.Write));
        _machine.Audit().ThrowIfUnsound();
        AssertEndsClean(space);
    }

    [Fact]
    public void A_frame_is_not_reused_while_a_walker_that_may_see_it_is_inside_an_epoch()
    {
        var space = _machine.CreateSpace();
        Map(space, MapRequest.SharedFile(_file, Rights.Read));
        Assert.True(space.Fault(At, AccessKind.Read).IsResolved);
        using var walker = PausedThread.Run(() => Assert.Equal(FaultKind.Spurious, space.Fault(At, AccessKind.Read).Kind), SchedulePoint.EpochEntered);
        int before = _machine.FramesInUse;
        _file.Tables.Reclaim();
        var other = _machine.CreateSpace();
        other.Exit();
        for (int i = 0; i < 10; i++)
        {
            _machine.Reclaim();
        }

        Assert.Equal(before + 1, _machine.FramesInUse);
        walker.Finish();
        Assert.True(_machine.Reclaim());
        Assert.Equal(before, _machine.FramesInUse);
        AssertEndsClean(space);
    }

    [Fact]
    public void Hazard_30_a_fault_during_an_unmap_waits_and_finds_nothing_mapped()
    {
        var space = _machine.CreateSpace();
        Map(space, MapRequest.SharedFile(_file, Rights.Read));
        Assert.True(space.Fault(At, AccessKind.Read).IsResolved);
        var kind = FaultKind.Spurious;
        using var unmapper = PausedThread.Run(() => Assert.Equal(Errno.None, space.Unmap(At, 4096)), SchedulePoint.EntryWrite);
        var fault = new Thread(() => kind = space.Fault(At, AccessKind.Read).Kind);
        fault.Start();
        Assert.False(fault.Join(20));
        unmapper.Finish();
        fault.Join();
        Assert.Equal(FaultKind.NotMapped, kind);
        _machine.Audit().ThrowIfUnsound();
        AssertEndsClean(space);
    }

    [Fact]
    public void A_waiting_writer_keeps_new_readers_out()
    {
        var gate = new ReadWriteLock(LockRank.Space);
        int order = 0, writer = 0, reader = 0;
        var held = gate.Read();
        using var writing = PausedThread.Run(
            () =>
            {
                using var alone = gate.Write();
                writer = Interlocked.Increment(ref order);
            },
            SchedulePoint.LockWaiting);
        var reading = new Thread(() =>
        {
            using var shared = gate.Read();
            reader = Interlocked.Increment(ref order);
        });
        reading.Start();
        held.Dispose();
        Assert.False(reading.Join(20));
        writing.Finish();
        reading.Join();
        Assert.Equal((1, 2), (writer, reader));
    }

    private static void Map(AddressSpace space, MapRequest request) =>
        Assert.Equal(At, space.Map(request with { Address = At, Placement = MapPlacement.Fixed }).Value);

    private void AssertEndsClean(params AddressSpace[] spaces)
    {
        foreach (var space in spaces)
        {
            space.Exit();
        }

        _file.Dispose();
        _machine.Reclaim();
        _machine.Audit().ThrowIfUnsound();
        Assert.Equal(1, _machine.FramesInUse);
        Assert.Equal(_machine.Count(TableEvent.Attached), _machine.Count(TableEvent.Detached));
    }
}
#endif
