using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Tests.Formats;

/// <summary>What a format that is not x86-64 asks of the engine, by name; the random runs make the rest.</summary>
public sealed class ToyFormatTests : IDisposable
{
    private const long Mebi = 1L << 20;
    private static readonly VirtualAddress At = new(64UL << 30);

    private readonly Machine _machine = new(new MachineOptions { Ram = 32 * Mebi, Format = ToyRiscV.Sv39, MarksByFault = true });

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Readers_share_with_readers_and_writers_with_writers_since_rights_stand_in_leaves()
    {
        var file = _machine.CreateMemoryFile("file", 4 * Mebi);
        var spaces = new List<AddressSpace>();
        foreach (var rights in (Rights[])[Rights.ReadWrite, Rights.ReadWrite, Rights.Read, Rights.Read])
        {
            var space = Map(file, rights);
            Assert.True(space.Fault(At, AccessKind.Read).IsResolved);
            spaces.Add(space);
        }

        Assert.Equal(2, file.Tables.TablesAt(Level.Pte));
        Assert.Equal(FaultKind.Marked, spaces[0].Fault(At, AccessKind.Write).Kind);
        Assert.Equal(FaultKind.Spurious, spaces[1].Fault(At, AccessKind.Write).Kind);
        Assert.Equal(FaultKind.NotAllowed, spaces[2].Fault(At, AccessKind.Write).Kind);
        Assert.Equal(Errno.None, spaces[0].Protect(At, 4 * Mebi, Rights.Read));
        Assert.Equal(FaultKind.NotAllowed, spaces[0].Fault(At, AccessKind.Write).Kind);
        Assert.True(spaces[0].Fault(At, AccessKind.Read).IsResolved);
        Assert.Equal(2, file.Tables.TablesAt(Level.Pte));
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void A_store_to_a_leaf_that_is_clean_marks_it_once_for_all_who_share_it()
    {
        using var device = _machine.AddPmem(8 * Mebi);
        var file = device.CreateFile("file", 4 * Mebi);
        var (one, two) = (Map(file, Rights.ReadWrite), Map(file, Rights.ReadWrite));
        var processor = _machine.AddProcessor();
        processor.Switch(one);
        Assert.True(processor.TryWrite(At, 1).IsCompleted);
        var other = _machine.AddProcessor();
        other.Switch(two);
        Assert.True(other.TryWrite(At, 2).IsCompleted);
        CleanLeaf(one);
        long marked = _machine.Count(TableEvent.FaultMarked);
        processor.InvalidateAll();
        other.InvalidateAll();
        Assert.True(processor.TryWrite(At, 3).IsCompleted);
        Assert.True(other.TryWrite(At, 4).IsCompleted);
        Assert.Equal(marked + 1, _machine.Count(TableEvent.FaultMarked));
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void What_may_only_be_executed_cannot_be_loaded()
    {
        var space = Map(_machine.CreateMemoryFile("code", Mebi), Rights.Execute);
        Assert.True(space.Fault(At, AccessKind.Execute).IsResolved);
        Assert.Equal(FaultKind.NotAllowed, space.Fault(At, AccessKind.Read).Kind);
    }

    [Fact]
    public void Files_and_private_memory_are_placed_in_the_smaller_address_space()
    {
        var space = _machine.CreateSpace();
        var file = space.Map(MapRequest.SharedFile(_machine.CreateMemoryFile("file", 2L << 30), Rights.Read));
        Assert.Equal(Errno.None, file.Error);
        Assert.InRange(file.Value.Value, 32UL << 30, 1UL << 38);
        var own = space.Map(MapRequest.Anonymous(Mebi, Rights.ReadWrite));
        Assert.InRange(own.Value.Value, 1UL << 37, space.UserEnd.Value);
        Assert.Equal(Errno.ENOMEM, space.Map(MapRequest.Anonymous(1L << 38, Rights.ReadWrite)).Error);
        space.Exit();
        _machine.Audit().ThrowIfUnsound();
    }

    private AddressSpace Map(MappedFile file, Rights rights)
    {
        var space = _machine.CreateSpace();
        Assert.Equal(At, space.Map(MapRequest.SharedFile(file, rights) with { Address = At, Placement = MapPlacement.Fixed }).Value);
        return space;
    }

    /// <summary>Takes the dirty mark away and leaves the right to store, as nothing in the engine does.</summary>
    private void CleanLeaf(AddressSpace space)
    {
        var table = space.Root;
        for (int level = Level.Pud; ; level--)
        {
            int index = X64.Index(At.Value, level);
            var entry = _machine.Store.Read(table, index);
            if (_machine.Format.IsLeaf(entry, level))
            {
                _machine.Memory.EntryAt(table, index) = _machine.Format.Cleaned(entry, level).Raw;
                return;
            }

            table = _machine.Store.TableOf(entry, level);
        }
    }
}
