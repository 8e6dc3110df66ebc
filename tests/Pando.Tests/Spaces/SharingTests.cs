using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Support;

namespace Pando.Tests.Spaces;

/// <summary>What sharing means, by counts of tables, attaches, detaches and divergences.</summary>
public sealed class SharingTests : IDisposable
{
    private const long Mebi = 1L << 20;
    private const long Gibi = 1L << 30;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);
    private static readonly VirtualAddress Elsewhere = new(0x5000_4000_0000);

    private Machine _machine = Make(SharingLevels.All, largePages: false);

    private TableReader Reader => new(_machine.Format, _machine.Memory);

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_second_process_needs_no_fault_for_what_the_first_has_touched()
    {
        var file = File(2 * Gibi);
        var first = Mapped(file);
        foreach (long offset in (long[])[0, 4096, Gibi, (2 * Gibi) - 4096])
        {
            Assert.Equal(FaultKind.Populated, first.Fault(At + offset, AccessKind.Write).Kind);
        }

        int tables = _machine.Tables().Files.Sum(count => (int)count);
        var second = Mapped(file);
        foreach (long offset in (long[])[0, 4096, Gibi, (2 * Gibi) - 4096])
        {
            Assert.Equal(file.Locate(offset), Reader.Translate(second, At + offset, AccessKind.Write));
        }

        Assert.Equal(tables, _machine.Tables().Files.Sum(count => (int)count));
        Assert.Equal(1, second.TableCount);
        Sound();
    }

    [Fact]
    public void Tables_stay_warm_after_the_last_process_and_go_with_a_reclaim()
    {
        var file = File(Gibi);
        var first = Mapped(file);
        Assert.True(first.Fault(At, AccessKind.Read).IsResolved);
        first.Exit();
        Assert.Equal(3, file.Tables.TableCount);

        var second = Mapped(file);
        Assert.Equal(file.Locate(0), Reader.Translate(second, At, AccessKind.Read));
        Assert.True(Faults() == 1);
        _machine.Reclaim();
        Assert.Equal(3, file.Tables.TableCount);
        second.Exit();
        Assert.True(_machine.Reclaim());
        Assert.Equal(0, file.Tables.TableCount);
        Sound();
    }

    [Fact]
    public void Unmapping_a_part_diverges_one_process_by_one_table_a_level_and_leaves_the_others_attached()
    {
        var file = File(2 * Gibi);
        var spaces = Enumerable.Range(0, 3).Select(_ => Mapped(file)).ToList();
        Assert.True(spaces[0].Fault(At + (5 * Mebi), AccessKind.Write).IsResolved);
        Assert.True(spaces[0].Fault(At + (9 * Mebi), AccessKind.Write).IsResolved);
        long attached = Attached();
        Assert.Equal(Errno.None, spaces[1].Unmap(At + (5 * Mebi), 4096));
        Sound();

        // One table of PUDs, of PMDs and of PTEs of its own; the two siblings keep their one slot each.
        Assert.Equal(3, _machine.Count(TableEvent.Diverged));
        Assert.Equal([1, 4, 1], spaces.Select(space => space.TableCount));
        // In place of one slot to the table of PUDs it has one to the table of PTEs that stays shared.
        Assert.Equal(attached, Attached());
        Assert.Null(Reader.Walk(spaces[1], At + (5 * Mebi)));
        Assert.Equal(file.Locate(9 * Mebi), Reader.Translate(spaces[1], At + (9 * Mebi), AccessKind.Write));
        foreach (int sibling in (int[])[0, 2])
        {
            Assert.Equal(file.Locate(5 * Mebi), Reader.Translate(spaces[sibling], At + (5 * Mebi), AccessKind.Write));
        }
    }

    [Fact]
    public void Mapping_the_missing_part_again_converges_to_the_files_tables()
    {
        var file = File(2 * Gibi);
        var (one, two) = (Mapped(file), Mapped(file));
        Assert.True(one.Fault(At + (9 * Mebi), AccessKind.Write).IsResolved);
        Assert.Equal(Errno.None, two.Unmap(At + (5 * Mebi), 4096));
        Assert.Equal(3, two.TableCount);
        Assert.True(two.Fault(At + (5 * Mebi) + 4096, AccessKind.Write).IsResolved);

        Assert.True(two.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Offset = 5 * Mebi, Length = 4096, Address = At + (5 * Mebi), Placement = MapPlacement.Fixed }).Succeeded);
        Sound();
        Assert.Single(two.Areas);
        Assert.Equal(1, two.TableCount);
        Assert.NotEqual(one.Root, two.Root);

        // From here on one fault is for both again.
        Assert.Equal(file.Locate(9 * Mebi), Reader.Translate(two, At + (9 * Mebi), AccessKind.Write));
        Assert.True(two.Fault(At + (5 * Mebi) + 4096, AccessKind.Write).IsResolved);
        Assert.Equal(file.Locate((5 * Mebi) + 4096), Reader.Translate(one, At + (5 * Mebi) + 4096, AccessKind.Write));
        Assert.Equal(3, file.Tables.TablesAt(Level.Pte) + file.Tables.TablesAt(Level.Pmd));
    }

    [Fact]
    public void What_a_process_faulted_in_alone_is_put_into_the_table_it_comes_back_to()
    {
        _machine.Dispose();
        _machine = Make(SharingLevels.UpTo2MiB, largePages: false);
        var file = File(Gibi);
        var (one, two) = (Mapped(file), Mapped(file));
        Assert.True(one.Fault(At, AccessKind.Write).IsResolved);
        Assert.Equal(Errno.None, two.Unmap(At + 8192, 4096));
        Assert.True(two.Fault(At + 4096, AccessKind.Write).IsResolved);
        Map(two, MapRequest.SharedFile(file, Rights.ReadWrite) with { Offset = 8192, Length = 4096 }, At + 8192);
        Sound();
        Assert.Equal(1, _machine.Count(TableEvent.Converged));

        // The right to store is not carried over where stores are noticed: the next one is noticed again.
        Assert.Equal(file.Locate(4096), Reader.Translate(one, At + 4096, AccessKind.Read));
        Assert.Null(Reader.Translate(one, At + 4096, AccessKind.Write));
        Assert.Equal(file.Locate(0), Reader.Translate(two, At, AccessKind.Write));
    }

    [Fact]
    public void Unmapping_one_mapping_leaves_the_table_of_another_beyond_the_gap_alone()
    {
        _machine.Dispose();
        _machine = Make(SharingLevels.Pmd, largePages: false);
        var file = File(Gibi);
        var space = _machine.CreateSpace();
        Map(space, MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = 4096 }, At);
        Map(space, MapRequest.Anonymous(4096, Rights.ReadWrite), At + (300 * Gibi));
        Assert.True(space.Fault(At, AccessKind.Write).IsResolved);
        Assert.Equal(Errno.None, space.Unmap(At + (300 * Gibi), 4096));
        Assert.Equal(Errno.None, space.Protect(At, 4096, Rights.Read));
        Sound();
        Assert.Equal(0, _machine.Count(TableEvent.Diverged) + _machine.Count(TableEvent.DivergedToNothing));
        Assert.Equal(file.Locate(0), Reader.Translate(space, At, AccessKind.Read));
    }

    [Fact]
    public void Mappings_that_end_at_the_same_place_in_a_span_share_its_table()
    {
        var file = File(Gibi);
        var spaces = Enumerable.Range(0, 3).Select(_ => _machine.CreateSpace()).ToList();
        foreach (var (space, length) in spaces.Zip((long[])[5 * Mebi, 5 * Mebi, 6 * Mebi]))
        {
            Map(space, MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = length }, At);
        }

        Assert.True(spaces[0].Fault(At + (4 * Mebi), AccessKind.Write).IsResolved);
        Assert.NotNull(Reader.Translate(spaces[1], At + (4 * Mebi), AccessKind.Write));
        Assert.Null(Reader.Walk(spaces[2], At + (4 * Mebi)));

        // The span of the end differs by its window; those before it are the same.
        Assert.True(spaces[2].Fault(At + (4 * Mebi), AccessKind.Write).IsResolved);
        Assert.True(spaces[2].Fault(At, AccessKind.Write).IsResolved);
        Assert.True(spaces[0].Fault(At, AccessKind.Write).Kind == FaultKind.Attached);
        Assert.Equal(3, file.Tables.TablesAt(Level.Pte));
        Assert.Equal(2, file.Tables.TablesAt(Level.Pmd));
        Assert.All(spaces, space => Assert.Equal(1, space.TableCount));
        Sound();
    }

    [Fact]
    public void Processes_share_at_different_addresses()
    {
        _machine.Dispose();
        _machine = Make(SharingLevels.UpTo1GiB, largePages: false);
        var file = File(Gibi);
        var (one, two) = (_machine.CreateSpace(), _machine.CreateSpace());
        Map(one, MapRequest.SharedFile(file, Rights.ReadWrite), At);
        Map(two, MapRequest.SharedFile(file, Rights.ReadWrite), Elsewhere);
        Assert.True(one.Fault(At + 4096, AccessKind.Write).IsResolved);
        Assert.Equal(file.Locate(4096), Reader.Translate(two, Elsewhere + 4096, AccessKind.Write));
        Assert.Equal(1, file.Tables.TablesAt(Level.Pmd));
        Sound();
    }

    [Fact]
    public void Hazard_01_a_different_offset_at_the_same_address_is_a_different_table()
    {
        var file = File(2 * Gibi);
        var (one, two) = (_machine.CreateSpace(), _machine.CreateSpace());
        Map(one, MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = Gibi }, At);
        Map(two, MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = Gibi, Offset = Gibi }, At);
        Assert.True(one.Fault(At, AccessKind.Write).IsResolved);
        Assert.Null(Reader.Walk(two, At));
        Assert.True(two.Fault(At, AccessKind.Write).IsResolved);
        Assert.Equal(file.Locate(0), Reader.Translate(one, At, AccessKind.Write));
        Assert.Equal(file.Locate(Gibi), Reader.Translate(two, At, AccessKind.Write));
        Sound();
    }

    [Fact]
    public void A_reader_and_a_writer_share_one_table_and_differ_in_the_slot()
    {
        var file = File(Gibi);
        var (writer, reader, executer) = (_machine.CreateSpace(), _machine.CreateSpace(), _machine.CreateSpace());
        Map(writer, MapRequest.SharedFile(file, Rights.ReadWrite), At);
        Map(reader, MapRequest.SharedFile(file, Rights.Read), At);
        Map(executer, MapRequest.SharedFile(file, Rights.Read | Rights.Execute), At);
        Assert.True(writer.Fault(At, AccessKind.Write).IsResolved);
        Assert.Equal(3, file.Tables.TableCount);
        Assert.Equal(Rights.ReadWrite, Reader.Walk(writer, At)!.Value.Rights);
        Assert.Equal(Rights.Read, Reader.Walk(reader, At)!.Value.Rights);
        Assert.Equal(Rights.Read | Rights.Execute, Reader.Walk(executer, At)!.Value.Rights);
        Assert.Equal(FaultKind.NotAllowed, reader.Fault(At, AccessKind.Write).Kind);
        Sound();
    }

    [Fact]
    public void A_private_mapping_attaches_read_only_and_leaves_only_the_smallest_table_for_each_2_MiB_it_writes()
    {
        var file = File(Gibi);
        var space = _machine.CreateSpace();
        Map(space, MapRequest.PrivateFile(file, Rights.ReadWrite), At);
        var sharer = Mapped(file, At + (1L << 40));
        Assert.True(sharer.Populate(AddressRange.FromLength(At + (1L << 40), 8 * Mebi), AccessKind.Write).IsResolved);
        Assert.Equal(Rights.Read, Reader.Walk(space, At)!.Value.Rights);
        Assert.Equal(1, space.TableCount);

        Assert.Equal(FaultKind.Copied, space.Fault(At + 4096, AccessKind.Write).Kind);
        Sound();
        Assert.Equal([1, 1, 1], Enumerable.Range(Level.Pte, 3).Select(space.TablesAt));
        Assert.NotEqual(file.Locate(4096), Reader.Translate(space, At + 4096, AccessKind.Read));
        Assert.Equal(file.Locate(8192), Reader.Translate(space, At + 8192, AccessKind.Read));
        Assert.Equal(file.Locate(4 * Mebi), Reader.Translate(space, At + (4 * Mebi), AccessKind.Read));

        Assert.Equal(FaultKind.Copied, space.Fault(At + (4 * Mebi), AccessKind.Write).Kind);
        Assert.Equal([2, 1, 1], Enumerable.Range(Level.Pte, 3).Select(space.TablesAt));
        Assert.Equal(4, _machine.Count(TableEvent.Diverged));
        Sound();
    }

    [Fact]
    public void A_fork_attaches_to_the_same_tables()
    {
        var file = File(2 * Gibi);
        var parent = Mapped(file);
        Assert.True(parent.Fault(At + Gibi, AccessKind.Write).IsResolved);
        long tables = _machine.Tables().Count;
        var child = parent.Fork()!;
        Assert.Equal(tables + 1, _machine.Tables().Count);
        Assert.Equal(file.Locate(Gibi), Reader.Translate(child, At + Gibi, AccessKind.Write));
        Sound();
    }

    [Theory]
    [InlineData(SharingLevels.None, 4, 0)]
    [InlineData(SharingLevels.UpTo2MiB, 3, 1)]
    [InlineData(SharingLevels.UpTo1GiB, 2, 2)]
    [InlineData(SharingLevels.UpTo512GiB, 1, 3)]
    [InlineData(SharingLevels.Pmd, 2, 2)]
    [InlineData(SharingLevels.Pud, 1, 3)]
    public void The_highest_level_that_may_be_shared_is_attached(SharingLevels sharing, int own, int shared)
    {
        _machine.Dispose();
        _machine = Make(sharing, largePages: false);
        var file = File(Gibi);
        var space = Mapped(file);
        Assert.True(space.Fault(At, AccessKind.Write).IsResolved);
        Assert.Equal(own, space.TableCount);
        Assert.Equal(shared, file.Tables.TableCount);
        Sound();
    }

    [Fact]
    public void Hazard_06_a_child_of_a_process_that_diverged_and_came_back_writes_into_nobodys_table()
    {
        // A and B share; B unmaps a part and maps it again; B forks C.
        var file = File(Gibi);
        var (a, b) = (Mapped(file), Mapped(file));
        Assert.True(a.Populate(AddressRange.FromLength(At, 4 * Mebi), AccessKind.Write).IsResolved);
        Assert.Equal(Errno.None, b.Unmap(At + Mebi, 8192));
        Map(b, MapRequest.SharedFile(file, Rights.ReadWrite) with { Offset = Mebi, Length = 8192 }, At + Mebi);
        long populated = _machine.Count(TableEvent.LeafPopulated);
        var c = b.Fork()!;
        Sound();
        Assert.Equal(populated, _machine.Count(TableEvent.LeafPopulated));
        foreach (var space in (AddressSpace[])[a, b, c])
        {
            for (long offset = 0; offset < 4 * Mebi; offset += 4096)
            {
                Assert.Equal(file.Locate(offset), Reader.Translate(space, At + offset, AccessKind.Write));
            }
        }
    }

    [Fact]
    public void Hazard_07_a_shared_table_with_an_empty_entry_is_shared_all_the_same()
    {
        var file = File(Gibi);
        var (a, b) = (Mapped(file), Mapped(file));
        Assert.Null(Reader.Walk(a, At));
        var c = a.Fork()!;
        Assert.True(c.Fault(At, AccessKind.Write).IsResolved);
        Assert.NotNull(Reader.Walk(a, At));
        Assert.NotNull(Reader.Walk(b, At));
        Assert.Equal(3, file.Tables.TableCount);
        Sound();
    }

    [Fact]
    public void Hazard_05_fork_and_exit_lose_no_frame_of_a_memory_file()
    {
        var file = _machine.CreateMemoryFile("huge", 8 * Mebi, 2 * Mebi);
        var parent = Mapped(file);
        Assert.True(parent.Populate(AddressRange.FromLength(At, 8 * Mebi), AccessKind.Write).IsResolved);
        int used = _machine.FramesInUse;
        for (int i = 0; i < 20; i++)
        {
            var child = parent.Fork()!;
            Assert.True(child.Fault(At + (2 * Mebi), AccessKind.Write).IsResolved);
            child.Exit();
        }

        _machine.Reclaim();
        Assert.Equal(used, _machine.FramesInUse);
        parent.Exit();
        file.Dispose();
        _machine.Reclaim();
        Assert.Equal(1, _machine.FramesInUse);
    }

    [Fact]
    public void Hazard_18_after_a_part_is_unmapped_every_processor_is_told_of_the_whole_span()
    {
        _machine.Dispose();
        _machine = Make(SharingLevels.UpTo1GiB, largePages: false);
        var file = File(2 * Gibi);
        var space = Mapped(file);
        Assert.True(space.Fault(At + Gibi, AccessKind.Write).IsResolved);
        var cache = new RecordingCache();
        space.MarkLoadedOn(_machine.Store.Shootdown.Add(cache));
        Assert.Equal(Errno.None, space.Unmap(At + Gibi + (4 * Mebi), 4096));
        Assert.Contains(cache.Drops, drop => drop.Tables && drop.Range.Contains(AddressRange.FromLength(At + Gibi, Gibi)));
        Assert.All(cache.Drops, drop => Assert.False(drop.Range.Contains(At)));
    }

    [Fact]
    public void Hazard_17_whatever_leaves_a_spaces_tables_is_flushed_before_the_call_returns()
    {
        var file = File(Gibi);
        var space = Mapped(file);
        Map(space, MapRequest.Anonymous(Mebi, Rights.ReadWrite), At + Gibi);
        Assert.True(space.Fault(At + Gibi, AccessKind.Write).IsResolved);
        Assert.True(space.Fault(At, AccessKind.Write).IsResolved);
        var cache = new RecordingCache();
        space.MarkLoadedOn(_machine.Store.Shootdown.Add(cache));

        Assert.Equal(Errno.None, space.Unmap(At, Gibi));
        Assert.Contains(cache.Drops, drop => drop.Tables && drop.Range.Contains(AddressRange.FromLength(At, Gibi)));
        cache.Drops.Clear();

        // Fork takes the write right of private pages away.
        Assert.NotNull(space.Fork());
        Assert.Contains(cache.Drops, drop => drop.Range.Contains(At + Gibi));
        cache.Drops.Clear();

        // Copy on write shows another frame.
        Assert.Equal(FaultKind.Copied, space.Fault(At + Gibi, AccessKind.Write).Kind);
        Assert.Contains(cache.Drops, drop => drop.Range.Contains(At + Gibi));
        cache.Drops.Clear();
        space.Exit();
        Assert.Equal(1, cache.Forgotten);
    }

    [Fact]
    public void Hazard_22_unmapping_many_spans_asks_each_processor_once()
    {
        _machine.Dispose();
        _machine = Make(SharingLevels.UpTo2MiB, largePages: false);
        var file = File(Gibi);
        var space = Mapped(file);
        for (long offset = 0; offset < Gibi; offset += 2 * Mebi)
        {
            Assert.True(space.Fault(At + offset, AccessKind.Write).IsResolved);
        }

        var cache = new RecordingCache();
        space.MarkLoadedOn(_machine.Store.Shootdown.Add(cache));
        Assert.Equal(Errno.None, space.Unmap(At, Gibi));
        Assert.Single(cache.Drops);
        Assert.Equal(512, _machine.Count(TableEvent.Detached));
        Sound();
    }

    [Fact]
    public void Hazard_29_unmapping_a_piece_in_the_middle_leaves_two_halves_that_still_work()
    {
        var file = File(Gibi);
        var (a, b) = (Mapped(file), Mapped(file));
        Assert.True(a.Populate(AddressRange.FromLength(At, 6 * Mebi), AccessKind.Write).IsResolved);
        Assert.Equal(Errno.None, b.Unmap(At + (2 * Mebi) + 4096, 4096));
        Assert.Equal(2, b.Areas.Count);
        Assert.Equal(Errno.None, b.Unmap(At, (2 * Mebi) + 4096));
        Sound();
        Assert.Null(Reader.Walk(b, At));
        Assert.True(b.Fault(At + (2 * Mebi) + 8192, AccessKind.Write).IsResolved);
        Assert.Equal(file.Locate((2 * Mebi) + 8192), Reader.Translate(b, At + (2 * Mebi) + 8192, AccessKind.Write));
        Assert.Equal(file.Locate(0), Reader.Translate(a, At, AccessKind.Write));
    }

    [Fact]
    public void Hazard_50_a_large_page_and_small_pages_of_one_place_stand_in_different_tables()
    {
        // A maps all of a 2 MiB page, B only half of it: B's small leaves must not split A's.
        _machine.Dispose();
        _machine = Make(SharingLevels.All, largePages: true);
        var file = File(Gibi);
        var a = Mapped(file);
        var b = _machine.CreateSpace();
        Map(b, MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = Mebi }, At);
        Assert.True(a.Fault(At, AccessKind.Write).IsResolved);
        Assert.True(b.Fault(At, AccessKind.Write).IsResolved);
        Assert.Equal(Level.Pmd, Reader.Walk(a, At)!.Value.Level);
        Assert.Equal(Level.Pte, Reader.Walk(b, At)!.Value.Level);
        Assert.Equal(Reader.Translate(a, At + 4096, AccessKind.Write), Reader.Translate(b, At, AccessKind.Write) + 4096);
        Sound();
    }

    [Fact]
    public void Hazard_51_tables_of_another_class_are_never_shared()
    {
        var file = File(Gibi);
        var epoch = _machine.Store.Epochs.Enter();
        var ordinary = file.Tables.Attach(TableKey.For(X64.Geometry, Level.Pte, 0, 0, Gibi, TableClass.Ordinary), make: true);
        var synchronous = file.Tables.Attach(TableKey.For(X64.Geometry, Level.Pte, 0, 0, Gibi, TableClass.Ordinary with { Synchronous = true }), make: true);
        epoch.Dispose();
        Assert.NotEqual(ordinary, synchronous);
        _machine.Store.Detach(ordinary);
        _machine.Store.Detach(synchronous);
        Sound();
    }

    [Fact]
    public void Hazard_52_a_fault_that_gives_a_hole_storage_takes_the_page_of_zeroes_from_every_process()
    {
        var pmem = _machine.AddPmem(16 * Mebi);
        var file = pmem.CreateFile("holes", 8 * Mebi, []);
        var (attached, diverged, own) = (Mapped(file), Mapped(file), _machine.CreateSpace());
        Map(own, MapRequest.PrivateFile(file, Rights.ReadWrite), At);
        Assert.Equal(FaultKind.Copied, own.Fault(At + 8192, AccessKind.Write).Kind);
        Assert.Equal(Errno.None, diverged.Unmap(At + 4096, 4096));
        foreach (var space in (AddressSpace[])[attached, diverged, own])
        {
            Assert.True(space.Fault(At, AccessKind.Read).IsResolved);
            Assert.Equal(_machine.VirtualMemory.ZeroPageAddress, Reader.Translate(space, At, AccessKind.Read));
        }

        Assert.True(attached.Fault(At, AccessKind.Write).IsResolved);
        Sound();
        Assert.Null(Reader.Walk(own, At));
        Assert.Null(Reader.Walk(diverged, At));
        foreach (var space in (AddressSpace[])[diverged, own])
        {
            Assert.True(space.Fault(At, AccessKind.Read).IsResolved);
            Assert.Equal(file.Locate(0), Reader.Translate(space, At, AccessKind.Read));
        }

        // A copy that was taken before stays.
        Assert.NotEqual(file.Locate(8192), Reader.Translate(own, At + 8192, AccessKind.Read));
        Sound();
    }

    private static Machine Make(SharingLevels sharing, bool largePages) =>
        new(new MachineOptions { Ram = 128 * Mebi, Sharing = sharing, LargePages = largePages });

    private DaxFile File(long size) => _machine.AddPmem(size + (2 * Gibi)).CreateFile("data", size);

    private AddressSpace Mapped(MappedFile file, VirtualAddress? at = null)
    {
        var space = _machine.CreateSpace();
        Map(space, MapRequest.SharedFile(file, Rights.ReadWrite), at ?? At);
        return space;
    }

    private static void Map(AddressSpace space, MapRequest request, VirtualAddress at) =>
        Assert.Equal(at, space.Map(request with { Address = at, Placement = MapPlacement.Fixed }).Value);

    private long Attached() => _machine.Count(TableEvent.Attached) - _machine.Count(TableEvent.Detached);

    private long Faults() => _machine.Count(TableEvent.FaultPopulated) + _machine.Count(TableEvent.FaultAttached)
        + _machine.Count(TableEvent.FaultCopied) + _machine.Count(TableEvent.FaultWriteEnabled) + _machine.Count(TableEvent.FaultSpurious);

    private void Sound() => _machine.Audit().ThrowIfUnsound();

    private sealed class RecordingCache : ITranslationCache
    {
        public List<(AddressRange Range, bool Tables)> Drops { get; } = [];

        public int Forgotten { get; private set; }

        public bool Drop(SpaceTables space, AddressRange range, bool tables)
        {
            Drops.Add((range, tables));
            return true;
        }

        public bool Forget(SpaceTables space)
        {
            Forgotten++;
            return true;
        }

        public bool DropShared(SharedTableOwner owner) => true;
    }
}
