using System.Diagnostics;
using Pando.Concurrency;
using Pando.Costs;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// The page tables that belong to one file, in the hardware's format, found by <see cref="TableKey"/>. Address
/// spaces, and other tables of the file, attach to them; nobody else ever owns them.
/// </summary>
/// <remarks>
/// <para>
/// Finding one is a look-up by level and key, without a lock (<see cref="TableIndex"/>). Who makes one puts it into the index
/// under the index's lock and looks again there: two who make the same table at once cannot both succeed (hazard 4).
/// </para>
/// <para>
/// A table that no slot points at stays, warm, until <see cref="Reclaim"/>. Then its count is exchanged from zero to
/// dead, so that a late look-up fails and makes a new one; it is freed when nobody can be looking at it.
/// </para>
/// </remarks>
public sealed class FileTables : SharedTableOwner
{
    private readonly TableStore _store;
    // As many as are freed between two moments at which nobody is kept from moving on to the next epoch.
    private const int FreedAtOnce = 64;

    private readonly TableIndex _index;
    private readonly SleepLock _reclaimLock = new(LockRank.Reclaim);
    private bool _ended;

    internal FileTables(TableStore store, MappedFile file)
    {
        _store = store;
        _index = new TableIndex(store);
        File = file;
    }

    /// <summary>The file's name, for reports.</summary>
    public string FileName => File.Name;

    /// <summary>The file.</summary>
    internal MappedFile File { get; }

    /// <summary>
    /// Finds the table for a key, or makes it if asked, and counts one slot more for it. The caller is inside an
    /// epoch and writes the slot, or gives the count back by <see cref="TableStore.Detach"/>.
    /// </summary>
    /// <returns>The table; none where it does not exist (or, if it was to be made, where memory is out).</returns>
    internal Frame Attach(in TableKey key, bool make)
    {
        Schedule.Reach(SchedulePoint.EntryRead, -Id);
        var found = _index.Find(key);
        if (!found.IsNone && _store.TryAttach(found))
        {
            return found;
        }

        if (!make || !_store.TryCreate(this, key.Level, key.Origin, out var made))
        {
            return Frame.None;
        }

        ref var record = ref _store.Memory.Record(made);
        record.WindowStart = key.WindowStart;
        record.WindowEnd = key.WindowEnd;
        record.Class = key.Class.Packed;
        record.AttachCount = 1;
        Schedule.Reach(SchedulePoint.EntryWrite, -Id);
        found = _index.Add(key, made);
        if (found != made)
        {
            _store.FreeUnseen(made);
        }

        return found;
    }

    /// <summary>The table for a key, as it stands in the index; none where there is none.</summary>
    internal Frame Find(in TableKey key) => _index.Find(key);

    /// <summary>All of the file's tables that are found by their places alone; for the auditor.</summary>
    internal List<Frame> Placed() => _index.Placed();

    /// <summary>Frames that the index itself takes (not page tables).</summary>
    internal int IndexFrames => _index.FrameCount;

    /// <summary>The key of one of the file's tables.</summary>
    internal TableKey KeyOf(Frame table) => KeyOf(_store, table);

    internal static TableKey KeyOf(TableStore store, Frame table)
    {
        ref var record = ref store.Memory.Record(table);
        return new TableKey(record.Level, record.Origin, record.WindowStart, record.WindowEnd, TableClass.Unpack(record.Class));
    }

    /// <summary>
    /// All of the file's tables of a level whose windows have something of a range of the file. The caller is inside
    /// an epoch; tables made meanwhile may be missing.
    /// </summary>
    internal OverlappingTables TablesOver(int level, long start, long end)
    {
        Schedule.Reach(SchedulePoint.EntryRead, -Id);
        return new OverlappingTables(_store, _index, level, start, end);
    }

    /// <summary>All of the file's tables.</summary>
    internal IEnumerable<Frame> All()
    {
        for (int level = Level.Pgd; level >= Level.Pte; level--)
        {
            foreach (var table in TablesOver(level, long.MinValue / 4, long.MaxValue / 4))
            {
                yield return table;
            }
        }
    }

    /// <summary>
    /// Frees the tables that no slot points at; those that only these pointed at follow. Safe at any time, beside
    /// faults and attaches.
    /// </summary>
    /// <returns>How many tables were freed.</returns>
    public int Reclaim()
    {
        using var held = _reclaimLock.Hold();
        return _ended ? 0 : FreeUnattached();
    }

    /// <summary>
    /// Frees tables that show nothing, although other tables of the file lead to them: what was there has been punched or truncated
    /// away. A look at every entry, for when nothing else is to be had. Safe at any time.
    /// </summary>
    /// <returns>How many tables were freed.</returns>
    internal int ReclaimEmpty()
    {
        using var held = _reclaimLock.Hold();
        if (_ended)
        {
            return 0;
        }

        int dropped = 0;
        for (int level = Level.Pmd; level <= Level.Pgd; level++)
        {
            dropped += DropEmpty(level);
        }

        return dropped > 0 ? FreeUnattached() : 0;
    }

    /// <summary>Takes the slots out of tables of one level that lead to tables without entries.</summary>
    private int DropEmpty(int level)
    {
        var dropped = new List<Frame>();
        using var epoch = _store.Epochs.Enter();
        foreach (var table in TablesOver(level, long.MinValue / 4, long.MaxValue / 4))
        {
            using var held = _store.Lock(table, level);
            for (int i = 0; i < _store.Geometry.Entries(level); i++)
            {
                var entry = _store.Read(table, i);
                if (_store.Format.IsSlot(entry, level)
                    && !_store.Memory.TableEntries(_store.TableOf(entry, level)).ContainsAnyExcept(0UL))
                {
                    dropped.Add(_store.TableOf(_store.Take(table, level, i), level));
                }
            }
        }

        if (dropped.Count > 0)
        {
            // Who comes late to one of them may still fill it, in the file's name: it is found by its key until it is dead.
            _store.Shootdown.FlushShared(this);
            foreach (var table in dropped)
            {
                _store.Detach(table);
            }

            _store.Count(TableEvent.Detached, dropped.Count);
        }

        return dropped.Count;
    }

    private int FreeUnattached()
    {
        int freed = 0;
        int count;
        TableKey? after = null;
        Span<Frame> tables = stackalloc Frame[FreedAtOnce];
        do
        {
            using var epoch = _store.Epochs.Enter();
            count = _index.FindAfter(after, tables);
            after = count == 0 ? null : KeyOf(tables[count - 1]);
            int killed = 0;
            for (int i = 0; i < count; i++)
            {
                Cost.Count(CostKind.Mapping);
                ref var record = ref _store.Memory.Record(tables[i]);
                if (killed > 0 && _store.Memory.Record(tables[0]).Level != record.Level)
                {
                    // Those of the next level may be attached only to these.
                    freed += Remove(tables[..killed]);
                    killed = 0;
                }

                if (Volatile.Read(ref record.AttachCount) == 0 && _store.TryKill(tables[i]))
                {
                    tables[killed++] = tables[i];
                }
            }

            freed += Remove(tables[..killed]);
        }
        while (count == FreedAtOnce);
        return freed;
    }

    /// <summary>Frees all that belongs to the file's tables, at the end of the file. No slot may point at them.</summary>
    internal void Free()
    {
        using var held = _reclaimLock.Hold();
        FreeUnattached();
        Debug.Assert(TableCount == 0, "The tables of a file that has ended are attached nowhere.");
        _ended = true;
        _store.Owners.Remove(this);
    }

    /// <summary>Ends the file's tables with the memory in which they lie. The machine is at rest.</summary>
    internal void Abandon()
    {
        _ended = true;
        _index.Abandon();
    }

    /// <summary>Takes dead tables out of the index and frees them.</summary>
    private int Remove(ReadOnlySpan<Frame> tables)
    {
        if (!tables.IsEmpty)
        {
            Schedule.Reach(SchedulePoint.EntryWrite, -Id);
            _index.Remove(tables);
        }

        foreach (var table in tables)
        {
            FreeRemoved(table);
        }

        return tables.Length;
    }

    private void FreeRemoved(Frame table)
    {
        int level = _store.Memory.Record(table).Level;

        // Nobody attaches to it any more and no processor can reach it: its slots are the last that know its children.
        // A fault that came here before its space left the table may still be about to put a slot in; under the lock
        // it has done so, or sees that the table is dead.
        int detached = 0;
        using (_store.Lock(table, level))
        {
            for (int i = 0; i < _store.Geometry.Entries(level); i++)
            {
                var entry = _store.Read(table, i);
                if (_store.Format.IsSlot(entry, level))
                {
                    _store.Detach(_store.TableOf(entry, level));
                    detached++;
                }
            }
        }

        _store.Count(TableEvent.Detached, detached);
        _store.RetireTable(table);
    }
}
