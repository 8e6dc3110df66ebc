using Pando.Hardware;
using Pando.Tables;

namespace Pando.Tests.Machines;

/// <summary>A space whose tables a test makes by hand, entry by entry.</summary>
internal sealed class HandMadeSpace : SpaceTables
{
    private readonly TableStore _store;

    public HandMadeSpace(TableStore store)
    {
        _store = store;
        store.Owners.Add(this);
        Root = NewTable(store.Format.Geometry.Levels);
    }

    /// <summary>Whose tables the space claims to show.</summary>
    public SharedTableOwner? Shows { get; set; }

    /// <summary>Puts a leaf, with the tables on the way to it; slots that are made for it have all rights.</summary>
    public void Map(VirtualAddress address, PhysicalAddress target, Rights rights = Rights.ReadWrite, int level = Level.Pte) =>
        Set(address, level, _store.Format.MakeLeaf(level, target, rights));

    /// <summary>The entry for an address in the table of a level, as it stands in memory.</summary>
    public Entry this[VirtualAddress address, int level] => new(Volatile.Read(ref Word(address, level)));

    /// <summary>Writes an entry under its table's lock, whatever was there.</summary>
    public void Set(VirtualAddress address, int level, Entry entry)
    {
        var table = TableFor(address, level);
        using (_store.Lock(table, level))
        {
            _store.Take(table, level, X64.Index(address.Value, level));
            if (!entry.IsNone)
            {
                _store.Fill(table, level, X64.Index(address.Value, level), entry);
            }
        }
    }

    public void SetRights(VirtualAddress address, int level, Rights rights) =>
        Set(address, level, _store.Format.WithRights(this[address, level], level, rights));

    /// <summary>Waits until nobody is changing the table of a level on the way to an address.</summary>
    public void WaitForChange(VirtualAddress address, int level)
    {
        var table = TableFor(address, level);
        using (_store.Lock(table, level))
        {
        }
    }

    public Frame NewTable(int level) =>
        _store.TryCreate(this, level, 0, out var table) ? table : throw new InsufficientMemoryException("No frame for a table.");

    /// <summary>Forgets the root, as a space that has ended does.</summary>
    public void End() => Root = Frame.None;

    internal override TableStore Store => _store;

    internal override bool MayShow(SharedTableOwner owner) => ReferenceEquals(owner, Shows);

    private ref ulong Word(VirtualAddress address, int level) =>
        ref _store.Memory.EntryAt(TableFor(address, level), X64.Index(address.Value, level));

    private Frame TableFor(VirtualAddress address, int wanted)
    {
        var table = Root;
        for (int level = _store.Format.Geometry.Levels; level > wanted; level--)
        {
            int index = X64.Index(address.Value, level);
            var slot = _store.Read(table, index);
            if (slot.IsNone)
            {
                slot = _store.Format.MakeSlot(level, _store.Memory.AddressOf(NewTable(level - 1)), Rights.All);
                _store.Prepare(table, index, slot);
            }

            table = _store.TableOf(slot, level);
        }

        return table;
    }
}
