using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Tests.Tables;

public sealed class TableWatcherTests : IDisposable
{
    private const long Mebi = 1L << 20;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly Machine _machine = new(new MachineOptions { Ram = 64 * Mebi });
    private readonly Notes _notes = new();
    private readonly AddressSpace _space;

    public TableWatcherTests()
    {
        _machine.Store.Watch(_notes);
        _space = _machine.CreateSpace();
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Filling_and_widening_are_not_told_narrowing_and_taking_are_each_with_the_table_of_the_entry()
    {
        Map(MapRequest.Anonymous(4 * Mebi, Rights.Read));
        Assert.True(_space.Fault(At, AccessKind.Read).IsResolved);
        Assert.Equal(Errno.None, _space.Protect(At, 4 * Mebi, Rights.ReadWrite));
        Assert.Empty(_notes.Taken());

        var table = TableAt(Level.Pte);
        Assert.True(_space.Fault(At, AccessKind.Write).IsResolved); // from the page of zeroes to one of its own
        Assert.Equal([table], _notes.Taken());
        Assert.Equal(Errno.None, _space.Protect(At, 4 * Mebi, Rights.Read));
        Assert.Equal([table], _notes.Taken());
    }

    [Fact]
    public void A_slot_that_is_taken_out_is_told_and_so_are_the_tables_that_go_with_it()
    {
        Map(MapRequest.Anonymous(2 * Mebi, Rights.ReadWrite));
        Assert.True(_space.Fault(At, AccessKind.Write).IsResolved);
        int[] tables = [TableAt(Level.Pte), TableAt(Level.Pmd), TableAt(Level.Pud), TableAt(Level.Pgd - 1)];
        Assert.Equal(Errno.None, _space.Unmap(At, 2 * Mebi));
        Assert.Equal(tables.Order(), _notes.Taken());
    }

    [Fact]
    public void A_files_tables_are_told_when_the_file_is_written_back_and_truncated()
    {
        using var file = _machine.AddPmem(64 * Mebi).CreateFile("data", 8 * Mebi);
        Map(MapRequest.SharedFile(file, Rights.ReadWrite));
        Assert.True(_space.Fault(At, AccessKind.Write).IsResolved);
        var pmd = TableAt(Level.Pmd);
        Assert.Empty(_notes.Taken());
        Assert.Equal(Errno.None, file.WriteBack());
        Assert.Contains(pmd, _notes.Taken());
        Assert.Equal(Errno.None, file.SetSize(4096));
        Assert.Contains(pmd, _notes.Taken());
    }

    [Fact]
    public void Frames_are_given_back_only_after_the_watcher_was_asked_and_only_those_of_before()
    {
        Map(MapRequest.Anonymous(2 * Mebi, Rights.ReadWrite));
        Assert.True(_space.Fault(At, AccessKind.Write).IsResolved);
        Assert.Equal(Errno.None, _space.Unmap(At, 2 * Mebi));
        int waiting = _machine.Store.Retired.Count;
        Assert.True(waiting > 0);

        // What is retired while the watcher is at work must wait for its next time.
        _notes.OnReuse = () =>
        {
            _notes.OnReuse = null;
            Assert.Equal(waiting, _machine.Store.Retired.Count);
            Map(MapRequest.Anonymous(2 * Mebi, Rights.ReadWrite));
            Assert.True(_space.Fault(At, AccessKind.Write).IsResolved);
            Assert.Equal(Errno.None, _space.Unmap(At, 2 * Mebi));
            _machine.Store.Epochs.TryAdvance();
            _machine.Store.Epochs.TryAdvance();
        };
        Assert.Equal(waiting, _machine.Store.Retired.Collect());
        Assert.Equal(waiting, _machine.Store.Retired.Count);
        Assert.Equal(waiting, _machine.Store.Retired.Collect());
        Assert.Equal(2, _notes.Reuses);
        _machine.Audit().ThrowIfUnsound();
    }

    private void Map(MapRequest request) =>
        Assert.Equal(At, _space.Map(request with { Address = At, Placement = MapPlacement.Fixed }).Value);

    private int TableAt(int wanted)
    {
        var table = _space.Root;
        for (int level = _machine.Format.Geometry.Levels; level > wanted; level--)
        {
            table = _machine.Store.TableOf(_machine.Store.Read(table, X64.Index(At.Value, level)), level);
        }

        return table.Number;
    }

    private sealed class Notes : ITableWatcher
    {
        private readonly SortedSet<int> _tables = [];

        public Action? OnReuse { get; set; }

        public int Reuses { get; private set; }

        public void Changed(Frame table) => _tables.Add(table.Number);

        public void BeforeReuse()
        {
            Reuses++;
            OnReuse?.Invoke();
        }

        public int[] Taken()
        {
            int[] tables = [.. _tables];
            _tables.Clear();
            return tables;
        }
    }
}
