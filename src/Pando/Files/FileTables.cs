using System.Diagnostics;
using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// The page tables that belong to one file, in the hardware's format, found by <see cref="TableKey"/>. Address
/// spaces, and other tables of the file, attach to them; nobody else ever owns them.
/// </summary>
/// <remarks>
/// <para>
/// Finding one is a look-up by level and file offset, without a lock. Tables that differ only in window or class
/// stand in one cell, in a list whose head is changed by compare-and-exchange: two who make the same table at once
/// cannot both succeed (hazard 4).
/// </para>
/// <para>
/// A table that no slot points at stays, warm, until <see cref="Reclaim"/>. Then its count is exchanged from zero to
/// dead, so that a late look-up fails and makes a new one; it is freed when nobody can be looking at it.
/// </para>
/// </remarks>
public sealed class FileTables : SharedTableOwner
{
    private readonly TableStore _store;
    private readonly FrameRadix?[] _index = new FrameRadix?[Level.Pgd + 1];
    private readonly SleepLock _reclaimLock = new(LockRank.Reclaim);
    private bool _ended;

    internal FileTables(TableStore store, MappedFile file)
    {
        _store = store;
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
        var index = IndexOf(key.Level, make);
        var made = Frame.None;
        while (true)
        {
            FrameRadix.Cell cell;
            if (index is null || (cell = index.Find(CellOf(key.Level, key.Origin))).IsNone)
            {
                if (!make || !index!.TryMake(CellOf(key.Level, key.Origin), out cell))
                {
                    return Frame.None;
                }
            }

            Schedule.Reach(SchedulePoint.EntryRead, -Id);
            ulong head = Volatile.Read(ref index.At(cell));
            var found = FindInCell(head, key);
            if (!found.IsNone)
            {
                if (!made.IsNone)
                {
                    _store.FreeUnseen(made);
                }

                return found;
            }

            if (!make)
            {
                return Frame.None;
            }

            if (made.IsNone)
            {
                if (!_store.TryCreate(this, key.Level, key.Origin, out made))
                {
                    return Frame.None;
                }

                ref var record = ref _store.Memory.Record(made);
                record.WindowStart = key.WindowStart;
                record.WindowEnd = key.WindowEnd;
                record.Class = key.Class.Packed;
                record.AttachCount = 1;
            }

            _store.Memory.Record(made).NextInCell = (int)head;
            Schedule.Reach(SchedulePoint.EntryWrite, -Id);
            if (Interlocked.CompareExchange(ref index.At(cell), (ulong)made.Number, head) == head || PutBlindly(index, cell, made))
            {
                return made;
            }
        }
    }

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
    internal List<Frame> TablesOver(int level, long start, long end)
    {
        Schedule.Reach(SchedulePoint.EntryRead, -Id);
        var tables = new List<Frame>();
        long span = Level.TableSpan(level);
        long first = CellOf(level, Math.Max(start - span + 1, -span));
        _index[level]?.ForEach(Math.Max(0, first), CellOf(level, end - 1), (_, head) =>
        {
            for (var table = new Frame((int)head); !table.IsNone; table = new Frame(Volatile.Read(ref _store.Memory.Record(table).NextInCell)))
            {
                ref var record = ref _store.Memory.Record(table);
                if (record.WindowStart < end && start < record.WindowEnd && Volatile.Read(ref record.AttachCount) >= 0)
                {
                    tables.Add(table);
                }
            }
        });
        return tables;
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

    /// <summary>Frames that the index itself takes (not page tables).</summary>
    internal int IndexFrames => _index.Sum(index => index?.FrameCount ?? 0);

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

    private int FreeUnattached()
    {
        int freed = 0;
        for (int level = Level.Pgd; level >= Level.Pte; level--)
        {
            using var epoch = _store.Epochs.Enter();
            foreach (var table in TablesOver(level, long.MinValue / 4, long.MaxValue / 4))
            {
                if (Volatile.Read(ref _store.Memory.Record(table).AttachCount) == 0 && _store.TryKill(table))
                {
                    Remove(table, level);
                    freed++;
                }
            }
        }

        return freed;
    }

    /// <summary>Frees all that belongs to the file's tables, at the end of the file. No slot may point at them.</summary>
    internal void Free()
    {
        using var held = _reclaimLock.Hold();
        FreeUnattached();
        Debug.Assert(TableCount == 0, "The tables of a file that has ended are attached nowhere.");
        foreach (var index in _index)
        {
            index?.Free();
        }

        _ended = true;
        _store.Owners.Remove(this);
    }

    /// <summary>Ends the file's tables with the memory in which they lie. The machine is at rest.</summary>
    internal void Abandon()
    {
        _ended = true;
        Array.Clear(_index);
    }

    private static bool PutBlindly(FrameRadix index, FrameRadix.Cell cell, Frame table)
    {
        bool leavesOut = Schedule.LeavesOut(ProtocolPart.IndexExchange);
        if (leavesOut)
        {
            index.At(cell) = (ulong)table.Number;
        }

        return leavesOut;
    }

    private static long CellOf(int level, long origin) => (origin >> (Level.EntryShift(level) + 9)) + 1;

    private FrameRadix? IndexOf(int level, bool make)
    {
        var index = Volatile.Read(ref _index[level]);
        if (index is null && make)
        {
            Schedule.Reach(SchedulePoint.EntryWrite, -Id);
            Interlocked.CompareExchange(ref _index[level], new FrameRadix(_store), null);
            index = _index[level];
        }

        return index;
    }

    private Frame FindInCell(ulong head, in TableKey key)
    {
        int packedClass = key.Class.Packed;
        for (var table = new Frame((int)head); !table.IsNone; table = new Frame(Volatile.Read(ref _store.Memory.Record(table).NextInCell)))
        {
            ref var record = ref _store.Memory.Record(table);
            if (record.Origin == key.Origin
                && record.WindowStart == key.WindowStart
                && record.WindowEnd == key.WindowEnd
                && record.Class == packedClass
                && _store.TryAttach(table))
            {
                return table;
            }
        }

        return Frame.None;
    }

    /// <summary>Takes a dead table out of the index and frees it. Under the reclaim lock: removals come one at a time.</summary>
    private void Remove(Frame table, int level)
    {
        var index = _index[level]!;
        ref ulong head = ref index.At(index.Find(CellOf(level, _store.Memory.Record(table).Origin)));
        int next = _store.Memory.Record(table).NextInCell;
        Schedule.Reach(SchedulePoint.EntryWrite, -Id);
        if (Interlocked.CompareExchange(ref head, (ulong)next, (ulong)table.Number) != (ulong)table.Number)
        {
            // Others were put in front of it; only removals change links further down, and this is the only one.
            var before = new Frame((int)Volatile.Read(ref head));
            while (_store.Memory.Record(before).NextInCell != table.Number)
            {
                before = new Frame(_store.Memory.Record(before).NextInCell);
            }

            Volatile.Write(ref _store.Memory.Record(before).NextInCell, next);
        }

        // Nobody attaches to it any more and no processor can reach it: its slots are the last that know its children.
        // A fault that came here before its space left the table may still be about to put a slot in; under the lock
        // it has done so, or sees that the table is dead.
        int detached = 0;
        using (_store.Lock(table, level))
        {
            for (int i = 0; i < Level.Entries; i++)
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
