using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// One present entry of a space's own table that lies wholly in the range of a change: a leaf, or a slot that stands
/// for all that lies below it. The walker holds the table's lock. What is done to it is the same for both.
/// </summary>
internal readonly ref struct EntryRef(TableStore store, Frame table, int level, int index, Entry entry, VirtualAddress start)
{
    private readonly TableStore _store = store;
    private readonly Frame _table = table;
    private readonly int _index = index;

    /// <summary>The level of the table that holds the entry.</summary>
    public int Level { get; } = level;

    /// <summary>The entry as it was when the walker came.</summary>
    public Entry Entry { get; } = entry;

    /// <summary>The addresses that the entry covers.</summary>
    public AddressRange Range => AddressRange.FromLength(start, _store.Geometry.EntrySpan(Level));

    /// <summary>Whether it is a leaf.</summary>
    public bool IsLeaf => _store.Format.IsLeaf(Entry, Level);

    /// <summary>The anonymous frame that the entry shows, or none.</summary>
    public Frame AnonymousFrame => IsLeaf ? _store.AnonymousFrameOf(Entry, Level) : Frame.None;

    /// <summary>Takes the entry out; what it showed is given up after the flush.</summary>
    public void Clear(in FlushGather gather)
    {
        var old = _store.Take(_table, Level, _index);
        gather.Drop(Range, tables: !IsLeaf);
        if (!IsLeaf)
        {
            gather.Release(_store.TableOf(old, Level));
            return;
        }

        var anonymous = AnonymousFrame;
        if (!anonymous.IsNone)
        {
            _store.Memory.Record(_table).AnonymousLeaves--;
            gather.Release(anonymous);
        }
    }

    /// <summary>Takes the entry out for the caller, who puts it, and all that it stands for, elsewhere.</summary>
    public Entry TakeOut(in FlushGather gather)
    {
        var old = _store.Take(_table, Level, _index);
        gather.Drop(Range, tables: !IsLeaf);
        if (!AnonymousFrame.IsNone)
        {
            _store.Memory.Record(_table).AnonymousLeaves--;
        }

        return old;
    }

    /// <summary>The rights that the entry by itself grants.</summary>
    public Rights Rights => _store.Format.RightsOf(Entry, Level);

    /// <summary>Whether the entry by itself allows stores.</summary>
    public bool IsWritable => (Rights & Rights.Write) != 0;

    /// <summary>Gives a leaf another protection key.</summary>
    public void SetProtectionKey(int key, in FlushGather gather)
    {
        if (_store.Format.ProtectionKeyOf(Entry, Level) != key)
        {
            _store.SetProtectionKey(_table, Level, _index, key);
            gather.Drop(Range, tables: false);
        }
    }

    /// <summary>Gives the entry other rights. Narrower ones are flushed.</summary>
    public void SetRights(Rights rights, in FlushGather gather)
    {
        var before = _store.Format.RightsOf(Entry, Level);
        var after = _store.Format.Effective(rights);
        if (before == after)
        {
            return;
        }

        _store.SetRights(_table, Level, _index, after);
        if ((before & ~after) != 0)
        {
            gather.Drop(Range, tables: !IsLeaf);
        }
    }
}
