using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Tests.Tables;

/// <summary>The auditor is worth what it can see: each test damages a sound machine in one way.</summary>
public sealed class AuditorTests : IDisposable
{
    private const long Mebi = 1L << 20;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly Machine _machine = new(new MachineOptions { Ram = 64 * Mebi });
    private readonly DaxFile _file;
    private readonly DaxFile _other;
    private readonly AddressSpace _space;

    public AuditorTests()
    {
        // Two files; a space that shows one of them through the file's tables, and private memory through its own.
        var pmem = _machine.AddPmem(4L << 30);
        _file = pmem.CreateFile("data", 2L << 30);
        _other = pmem.CreateFile("other", 1L << 30);
        _space = _machine.CreateSpace();
        Map(MapRequest.SharedFile(_file, Rights.Read), At);
        Map(MapRequest.Anonymous(4 * Mebi, Rights.Read), At + (8L << 40));
        Map(MapRequest.Anonymous(4 * Mebi, Rights.ReadWrite), At + (8L << 40) + (8 * Mebi));
        Assert.True(_space.Fault(At, AccessKind.Read).IsResolved);
        Assert.True(_space.Fault(At + (8L << 40), AccessKind.Read).IsResolved);
        Assert.True(_space.Fault(At + (8L << 40) + (8 * Mebi), AccessKind.Write).IsResolved);

        // A part of the file in a table of the space's own, because a private page stands beside it.
        Map(MapRequest.PrivateFile(_file, Rights.ReadWrite) with { Length = 8 * Mebi }, At + (16L << 40));
        Assert.Equal(Errno.None, _space.Unmap(At + (16L << 40) + (2 * Mebi), 4096));
        Assert.True(_space.Fault(At + (16L << 40) + (2 * Mebi) + 8192, AccessKind.Write).IsResolved);
        Assert.True(_space.Fault(PrivateFileLeaf, AccessKind.Read).IsResolved);
        _machine.Audit().ThrowIfUnsound();
    }

    private TableStore Store => _machine.Store;

    private static VirtualAddress ZeroLeaf => At + (8L << 40);

    private static VirtualAddress AnonymousLeaf => At + (8L << 40) + (8 * Mebi);

    private static VirtualAddress PrivateFileLeaf => At + (16L << 40) + (2 * Mebi) + 4096;

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_leaf_that_allows_more_than_its_area_is_reported()
    {
        var (table, level, index) = Leaf(ZeroLeaf);
        Change(table, level, index, entry => Store.Format.WithRights(entry, level, Rights.ReadWrite));
        AssertReported("allows");
    }

    [Fact]
    public void A_writable_page_of_zeroes_in_a_writable_mapping_is_reported()
    {
        Assert.True(_space.Fault(AnonymousLeaf + 4096, AccessKind.Read).IsResolved);
        var (table, level, index) = Leaf(AnonymousLeaf + 4096);
        Change(table, level, index, entry => Store.Format.WithRights(entry, level, Rights.ReadWrite));
        AssertReported("read-only page of zeroes");
    }

    [Fact]
    public void A_slot_that_allows_more_than_its_area_is_reported()
    {
        var (table, level, index) = Slot(At);
        Change(table, level, index, entry => Store.Format.WithRights(entry, level, Rights.ReadWrite));
        AssertReported("the slot at");
    }

    [Fact]
    public void A_slot_of_a_private_table_that_takes_rights_away_is_reported()
    {
        var entry = Store.Read(_space.Root, X64.Index(ZeroLeaf.Value, Level.P4d));
        Store.Prepare(_space.Root, X64.Index(ZeroLeaf.Value, Level.P4d), Store.Format.WithRights(entry, Level.P4d, Rights.Read));
        AssertReported("takes rights away");
    }

    [Fact]
    public void A_leaf_of_a_file_that_shows_another_place_is_reported()
    {
        var (table, level, index) = Leaf(At);
        Change(table, level, index, entry => Store.Format.MakeLeaf(level, Store.Format.TargetOf(entry, level) + (2 * Mebi), Store.Format.RightsOf(entry, level)));
        AssertReported("which lies at");
    }

    [Fact]
    public void A_private_leaf_that_shows_another_place_of_the_file_is_reported()
    {
        var (table, level, index) = Leaf(PrivateFileLeaf);
        Change(table, level, index, entry => Store.Format.MakeLeaf(level, Store.Format.TargetOf(entry, level) + 4096, Store.Format.RightsOf(entry, level)));
        AssertReported("which lies at");
    }

    [Fact]
    public void A_leaf_with_another_key_than_its_area_or_its_table_is_reported()
    {
        foreach (var at in new[] { AnonymousLeaf, PrivateFileLeaf, At })
        {
            var (table, level, index) = Leaf(at);
            Change(table, level, index, entry => Store.Format.WithProtectionKey(entry, level, 5));
            AssertReported("has key 5");
            Change(table, level, index, entry => Store.Format.WithProtectionKey(entry, level, 0));
        }
    }

    [Fact]
    public void A_leaf_where_nothing_is_mapped_is_reported()
    {
        var (table, level, index) = Leaf(PrivateFileLeaf);
        Store.Prepare(table, index - 1, Store.Read(table, index));
        Assert.Equal(Level.Pte, level);
        AssertReported("where no area maps all of it");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void An_attach_count_that_is_off_by_one_is_reported(int by)
    {
        var (table, level, index) = Slot(At);
        Store.Memory.Record(Store.TableOf(Store.Read(table, index), level)).AttachCount += by;
        AssertReported("slots point at it");
    }

    [Fact]
    public void A_table_that_nothing_reaches_is_reported()
    {
        Assert.True(Store.TryCreate(_space, Level.Pte, 0, out _));
        AssertReported("were reached");
    }

    [Fact]
    public void A_table_of_a_file_that_is_in_no_index_is_reported()
    {
        Assert.True(Store.TryCreate(_file.Tables, Level.Pmd, 0, out var table));
        Store.Memory.Record(table).WindowEnd = 1L << 30;
        AssertReported("frames are tables of files");
    }

    [Fact]
    public void A_slot_to_the_table_of_another_file_is_reported()
    {
        var (table, level, index) = Slot(At);
        var wrong = AttachOther(new TableKey(level - 1, 0, 0, 1L << 30, TableClass.Ordinary));
        Change(table, level, index, _ => Store.Format.MakeSlot(level, Store.Memory.AddressOf(wrong), Rights.Read));
        AssertReported("belongs to another file");
    }

    [Fact]
    public void A_slot_to_another_window_of_the_file_is_reported_Hazard_01()
    {
        var (table, level, index) = Slot(At);
        var key = FileTables.KeyOf(Store, Store.TableOf(Store.Read(table, index), level));
        var wrong = Attach(_file.Tables, key with { Origin = key.Origin + X64.EntrySpan(level), WindowStart = key.WindowStart + X64.EntrySpan(level), WindowEnd = key.WindowEnd + X64.EntrySpan(level) });
        Change(table, level, index, _ => Store.Format.MakeSlot(level, Store.Memory.AddressOf(wrong), Rights.Read));
        AssertReported("mapped is the");
    }

    [Fact]
    public void A_slot_of_a_file_to_the_wrong_child_is_reported()
    {
        Assert.True(_space.Fault(At + (1L << 30), AccessKind.Read).IsResolved);
        var (table, level, index) = Slot(At);
        var shared = Store.TableOf(Store.Read(table, index), level);
        Assert.Equal(Level.Pud, level - 1);
        ulong first = Store.Memory.EntryAt(shared, 0);
        Store.Memory.EntryAt(shared, 0) = Store.Memory.EntryAt(shared, 1);
        Store.Memory.EntryAt(shared, 1) = first;
        AssertReported("leads to");
    }

    [Fact]
    public void A_table_that_is_missing_in_its_files_reverse_map_is_reported()
    {
        var (table, _, _) = Leaf(PrivateFileLeaf);
        _file.Tables.ReverseMap.Remove(Store.Memory.Record(table).Part);
        AssertReported("the reverse map of");
    }

    [Fact]
    public void A_private_leaf_of_a_file_that_the_file_does_not_find_is_reported()
    {
        Store.Parts.Remove(Leaf(PrivateFileLeaf).Table);
        AssertReported("is not found by");
    }

    [Fact]
    public void A_part_of_a_file_that_is_not_mapped_is_reported()
    {
        var (table, level, _) = Leaf(PrivateFileLeaf);
        Assert.True(Store.Parts.TryFind(table, PrivateFileLeaf, out var owner, out var part));
        using (Store.Lock(table, level))
        {
            Store.Parts.Add(table, level, owner, part.Key.Origin, part.Key.Start, part.End + X64.PageSize);
        }

        AssertReported("finds");
    }

    [Fact]
    public void A_table_of_no_space_in_a_files_reverse_map_is_reported()
    {
        var (table, level, _) = Leaf(PrivateFileLeaf);
        using (Store.Lock(table, level))
        {
            _file.Tables.ReverseMap.Add(new PartKey(0, level, new Frame(1), 0), X64.PageSize, default);
        }

        AssertReported("stand in its reverse map");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void A_wrong_count_of_references_to_an_anonymous_frame_is_reported(int by)
    {
        var (table, _, index) = Leaf(AnonymousLeaf);
        Store.Memory.Record(Store.AnonymousFrameOf(Store.Read(table, index), Level.Pte)).References += by;
        AssertReported("leaves show it");
    }

    [Fact]
    public void A_leaf_that_says_it_shows_private_memory_and_does_not_is_reported()
    {
        var (table, level, index) = Leaf(PrivateFileLeaf);
        Change(table, level, index, entry => Store.Format.AsAnonymous(entry, level));
        AssertReported("says that it shows private memory");
    }

    [Fact]
    public void A_leaf_of_a_files_table_that_says_it_shows_private_memory_is_reported()
    {
        var (table, level, index) = Leaf(At);
        Change(table, level, index, entry => Store.Format.AsAnonymous(entry, level));
        AssertReported("says that it shows private memory");
    }

    [Fact]
    public void A_leaf_of_private_memory_that_does_not_say_so_is_reported()
    {
        var (table, level, index) = Leaf(AnonymousLeaf);
        Change(table, level, index, entry => Store.Format.MakeLeaf(level, Store.Format.TargetOf(entry, level), Rights.Read));
        AssertReported("neither anonymous nor a read-only page of zeroes");
    }

    [Fact]
    public void An_anonymous_frame_that_is_lost_is_reported()
    {
        var (table, _, index) = Leaf(AnonymousLeaf);
        Store.Prepare(table, index, Entry.None);
        Store.Memory.Record(table).AnonymousLeaves--;
        AssertReported("frames are anonymous");
    }

    [Fact]
    public void A_wrong_count_of_anonymous_leaves_is_reported()
    {
        var (table, _, _) = Leaf(AnonymousLeaf);
        Store.Memory.Record(table).AnonymousLeaves++;
        AssertReported("anonymous leaves");
    }

    [Fact]
    public void A_writable_leaf_of_a_frame_that_others_see_is_reported()
    {
        var child = _space.Fork()!;
        var (table, level, index) = Leaf(AnonymousLeaf);
        Change(table, level, index, entry => Store.Format.WithRights(entry, level, Rights.ReadWrite));
        AssertReported("which has 2 references");
        Assert.False(child.HasExited);
    }

    [Fact]
    public void A_table_whose_lock_was_not_released_is_reported()
    {
        Store.Memory.Record(_space.Root).Lock = 1;
        AssertReported("is not a free table");
    }

    [Fact]
    public void A_gather_that_was_not_finished_is_reported()
    {
        FlushGather.State state = default;
        var gather = new FlushGather(Store, _space, ref state);
        AssertReported("flush gathers");
        gather.Dispose();
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void A_table_that_spans_nothing_that_is_mapped_is_reported()
    {
        Assert.True(Store.TryCreate(_space, Level.Pud, 0, out var table));
        Store.Prepare(_space.Root, 0, Store.Format.MakeSlot(Level.P4d, Store.Memory.AddressOf(table), Rights.All));
        AssertReported("spans nothing that is mapped");
    }

    [Fact]
    public void A_frame_that_is_marked_but_not_counted_is_reported()
    {
        Store.Memory.Record(new Frame(300)).Kind = FrameKind.FileData;
        AssertReported("frames hold files");
    }

    [Fact]
    public void A_level_that_is_not_to_be_shared_is_reported()
    {
        using var machine = new Machine(new MachineOptions { Ram = 64 * Mebi, Sharing = SharingLevels.Pmd });
        var file = machine.AddPmem(1L << 30).CreateFile("data", 4 * Mebi);
        var space = machine.CreateSpace();
        Assert.True(space.Map(MapRequest.SharedFile(file, Rights.Read) with { Address = At, Placement = MapPlacement.Fixed }).Succeeded);
        machine.Audit().ThrowIfUnsound();
        var epoch = machine.Store.Epochs.Enter();
        var table = file.Tables.Attach(TableKey.For(X64.Geometry, Level.Pud, 0, 0, 4 * Mebi, TableClass.Ordinary), make: true);
        epoch.Dispose();
        int index = X64.Index(At.Value, Level.P4d);
        machine.Store.Prepare(space.Root, index, machine.Store.Format.MakeSlot(Level.P4d, machine.Store.Memory.AddressOf(table), Rights.Read));
        Assert.Contains(machine.Audit().Violations, violation => violation.Contains("is not to be shared", StringComparison.Ordinal));
    }

    private void Map(MapRequest request, VirtualAddress at) =>
        Assert.Equal(at, _space.Map(request with { Address = at, Placement = MapPlacement.Fixed }).Value);

    /// <summary>The entry at which the walk through the space's own tables ends.</summary>
    private (Frame Table, int Level, int Index) Slot(VirtualAddress address) => Down(address, intoFiles: false);

    /// <summary>The leaf that shows an address.</summary>
    private (Frame Table, int Level, int Index) Leaf(VirtualAddress address) => Down(address, intoFiles: true);

    private (Frame Table, int Level, int Index) Down(VirtualAddress address, bool intoFiles)
    {
        var table = _space.Root;
        for (int level = Store.Format.Geometry.Levels; ; level--)
        {
            int index = X64.Index(address.Value, level);
            var entry = Store.Read(table, index);
            Assert.False(entry.IsNone);
            if (Store.Format.IsLeaf(entry, level) || (!intoFiles && Store.IsAttached(entry, level)))
            {
                return (table, level, index);
            }

            table = Store.TableOf(entry, level);
        }
    }

    private void Change(Frame table, int level, int index, Func<Entry, Entry> change)
    {
        var entry = Store.Read(table, index);
        Store.Prepare(table, index, change(entry));
        Assert.NotEqual(entry, Store.Read(table, index));
        Assert.InRange(level, Level.Pte, Level.Pgd);
    }

    private Frame AttachOther(TableKey key) => Attach(_other.Tables, key);

    private Frame Attach(FileTables tables, TableKey key)
    {
        var epoch = Store.Epochs.Enter();
        var table = tables.Attach(key, make: true);
        epoch.Dispose();
        Assert.False(table.IsNone);
        return table;
    }

    private void AssertReported(string words) =>
        Assert.Contains(_machine.Audit().Violations, violation => violation.Contains(words, StringComparison.Ordinal));
}
