using System.Diagnostics;
using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// The one walker through the tables of a space, for those who change something for that space alone. It takes care
/// that only the space's own entries are changed: where a range covers only a part of what a slot leads to, the
/// space first leaves the file's table for a table of its own (it diverges); where it covers all of it, the slot
/// itself is the entry to change.
/// </summary>
/// <param name="store">The tables.</param>
/// <param name="attachable">The levels whose tables a space may attach to, one bit each.</param>
internal sealed class TableWalker(TableStore store, int attachable)
{
    private readonly TableStore _store = store;
    private readonly TableGeometry _geometry = store.Geometry;
    private readonly int _attachable = attachable;

    /// <summary>
    /// Visits every present entry of the space's own tables in a range, each wholly in the range. The caller holds
    /// the space's lock for writing.
    /// </summary>
    /// <param name="space">The space.</param>
    /// <param name="changed">The addresses that change, in whole pages.</param>
    /// <param name="range">
    /// The same with what is unmapped around them: an entry that lies wholly in it stands for changed addresses alone.
    /// An entry that has nothing of the changed addresses is left as it is.
    /// </param>
    /// <param name="unmapped">
    /// The addresses around and in the range where nothing will be mapped afterwards; a table of the space that
    /// lies wholly there is freed. Empty if none shall be.
    /// </param>
    /// <param name="visitor">What to do.</param>
    /// <param name="gather">What must be flushed.</param>
    public void Change<TVisitor>(
        SpaceTables space, AddressRange changed, AddressRange range, AddressRange unmapped, ref TVisitor visitor, in FlushGather gather)
        where TVisitor : struct, IEntryVisitor, allows ref struct
    {
        if (!range.IsEmpty)
        {
            VisitTable(space, space.Root, _geometry.Levels, new VirtualAddress(0), changed, range, new Freed(unmapped, _geometry.Levels), mayDiverge: true, ref visitor, in gather);
        }
    }

    /// <summary>
    /// Visits every present entry of the space's own tables that lies wholly in a range, and leaves out those that
    /// only reach into it: nothing diverges. The caller holds the space's lock for writing.
    /// </summary>
    /// <param name="space">The space.</param>
    /// <param name="range">The addresses, in whole pages.</param>
    /// <param name="visitor">What to do.</param>
    /// <param name="gather">What must be flushed.</param>
    /// <param name="freesEmptied">Whether the visitor takes every leaf, and tables of PTEs that lie wholly in the range go with them.</param>
    public void VisitWithin<TVisitor>(
        SpaceTables space, AddressRange range, ref TVisitor visitor, in FlushGather gather, bool freesEmptied = false)
        where TVisitor : struct, IEntryVisitor, allows ref struct
    {
        if (!range.IsEmpty)
        {
            var freed = freesEmptied ? new Freed(range, Level.Pte) : default;
            VisitTable(space, space.Root, _geometry.Levels, new VirtualAddress(0), range, range, freed, mayDiverge: false, ref visitor, in gather);
        }
    }

    /// <summary>
    /// Sees to it that no slot leads to a file's table across an end of the range: those that do are replaced by
    /// tables of the space's own. The caller holds the space's lock for writing.
    /// </summary>
    public void Isolate(SpaceTables space, AddressRange range)
    {
        CutAt(space, range.Start, cutsLeaves: false);
        CutAt(space, range.End, cutsLeaves: false);
    }

    /// <summary>
    /// Sees to it that no large leaf of the space's own tables reaches over an end of the range, beyond which its pages are to be
    /// shown in another way. The caller holds the space's lock for writing.
    /// </summary>
    public void CutLeaves(SpaceTables space, AddressRange range)
    {
        CutAt(space, range.Start, cutsLeaves: true);
        CutAt(space, range.End, cutsLeaves: true);
    }

    /// <summary>
    /// Replaces a slot that leads to a file's table by one that leads to a table of the space's own with the same
    /// contents, or, where that cannot be had, by nothing. The caller holds the lock of the table that has the slot.
    /// </summary>
    /// <remarks>
    /// The old entry is gone and flushed before the new one is written (break before make, Arm ARM D8.16.1), so that
    /// nobody uses the new table while a processor still knows the old. The copy of the leaves is published only if
    /// the file's layout has not begun to change since before it was taken; a change that begins later takes the
    /// same lock and finds the new table.
    /// </remarks>
    public void Diverge(SpaceTables space, Frame table, int level, int index)
    {
        var slot = _store.Read(table, index);
        Debug.Assert(_store.Format.IsSlot(slot, level) && _store.IsAttached(slot, level), "Only an attached slot diverges.");
        var shared = _store.TableOf(slot, level);
        var span = EntryRange(table, level, index);

        var copy = Frame.None;

        // What the file's table leads to may be detached from it, reclaimed and used anew while it is being copied.
        using (_store.Epochs.Enter())
        {
            var owner = (SharedTableOwner)_store.Owners[_store.Memory.Record(shared).Owner]!;
            if (owner.Invalidate.TryReadSequence(out long sequence)
                && _store.TryCreate(space, level - 1, (long)span.Start.Value, out copy))
            {
                bool isCurrent;
                using (_store.Lock(copy, level - 1))
                {
                    // A change of the file that finds the copy waits until all of it is there.
                    CopyForOne(owner, shared, level - 1, copy, _store.Format.RightsOf(slot, level));
                    isCurrent = owner.Invalidate.IsCurrent(sequence);
                }

                if (!isCurrent)
                {
                    DropCopy(copy, level - 1);
                    copy = Frame.None;
                }
            }
        }

        _store.Take(table, level, index);
        FlushGather.State state = default;
        using (var gather = new FlushGather(_store, space, ref state))
        {
            gather.Drop(span, tables: true);
            gather.Release(shared);
        }

        if (copy.IsNone)
        {
            _store.Count(TableEvent.DivergedToNothing);
            return;
        }

        _store.Fill(table, level, index, _store.Format.MakeSlot(level, _store.Memory.AddressOf(copy), Rights.All));
        _store.Count(TableEvent.Diverged);
    }

    /// <summary>The addresses that an entry of one of the space's own tables covers.</summary>
    public AddressRange EntryRange(Frame table, int level, int index)
    {
        var start = new VirtualAddress((ulong)_store.Memory.Record(table).Origin) + (index * _geometry.EntrySpan(level));
        return AddressRange.FromLength(start, _geometry.EntrySpan(level));
    }

    /// <summary>Which tables of the space are freed: those up to a level that lie wholly in a range.</summary>
    private readonly record struct Freed(AddressRange Range, int HighestLevel);

    private void VisitTable<TVisitor>(
        SpaceTables space,
        Frame table,
        int level,
        VirtualAddress tableStart,
        AddressRange changed,
        AddressRange range,
        in Freed freed,
        bool mayDiverge,
        ref TVisitor visitor,
        in FlushGather gather)
        where TVisitor : struct, IEntryVisitor, allows ref struct
    {
        long entrySpan = _geometry.EntrySpan(level);
        int last = _geometry.Index(range.End.Value - 1, level);
        using var held = _store.Lock(table, level);
        for (int index = _geometry.Index(range.Start.Value, level); index <= last; index++)
        {
            var entry = _store.Read(table, index);
            if (entry.IsNone)
            {
                continue;
            }

            var start = tableStart + (index * entrySpan);
            var span = AddressRange.FromLength(start, entrySpan);
            bool isLeaf = _store.Format.IsLeaf(entry, level);
            if (isLeaf || _store.IsAttached(entry, level))
            {
                if (range.Contains(span))
                {
                    visitor.Visit(new EntryRef(_store, table, level, index, entry, start), in gather);
                    continue;
                }

                if (!mayDiverge || !changed.Overlaps(span))
                {
                    continue;
                }

                if (isLeaf)
                {
                    SplitLeaf(space, table, level, index);
                }
                else
                {
                    Diverge(space, table, level, index);
                }

                entry = _store.Read(table, index);
                if (entry.IsNone)
                {
                    continue;
                }
            }

            var child = _store.TableOf(entry, level);
            VisitTable(space, child, level - 1, start, changed, range.Intersect(span), freed, mayDiverge, ref visitor, in gather);
            if (level - 1 <= freed.HighestLevel && freed.Range.Contains(span) && !_store.Omissions.Leave(OmittedStep.TableFreed))
            {
                _store.Take(table, level, index);
                gather.Drop(span, tables: true);
                gather.Release(child);
            }
        }
    }

    /// <summary>
    /// Replaces a large leaf by a table of smaller ones that show the same, or, where no table can be had, by
    /// nothing. The caller holds the lock of the table that has the leaf.
    /// </summary>
    /// <remarks>Only leaves of files are large, so that a fault can bring back what is dropped.</remarks>
    public void SplitLeaf(SpaceTables space, Frame table, int level, int index)
    {
        var span = EntryRange(table, level, index);
        Debug.Assert(level > Level.Pte, "Only large leaves are split.");
        bool have = _store.TryCreate(space, level - 1, (long)span.Start.Value, out var small);

        // Break before make: nobody may find the small leaves while a processor holds the large one.
        var leaf = _store.Take(table, level, index);
        _store.Shootdown.Flush(space, span, tables: false);
        if (!have)
        {
            return;
        }

        using (_store.Lock(small, level - 1))
        {
            // The file finds them before they are there.
            if (_store.Parts.TryFind(table, span.Start, out var owner, out var part))
            {
                long origin = part.Key.Origin + (index * _geometry.EntrySpan(level));
                _store.Parts.Add(small, level - 1, owner, origin, origin, origin + span.Length);
            }

            int entries = _geometry.Entries(level);
            for (int i = 0; i < entries; i++)
            {
                _store.Prepare(small, i, _store.Format.SplitLeaf(leaf, level, i));
            }
        }

        _store.Fill(table, level, index, _store.Format.MakeSlot(level, _store.Memory.AddressOf(small), Rights.All));
    }

    private void CopyForOne(SharedTableOwner owner, Frame shared, int level, Frame copy, Rights slotRights)
    {
        int attached = 0;
        bool isFound = false;
        var record = _store.Memory.Record(shared);
        int entries = _geometry.Entries(level);
        for (int i = 0; i < entries; i++)
        {
            var entry = _store.Read(shared, i);
            if (entry.IsNone)
            {
                continue;
            }

            if (_store.Format.IsSlot(entry, level))
            {
                // The file's own tables lead to tables of every level; what a space may not attach to, a fault
                // builds for it.
                if ((_attachable & (1 << (level - 1))) == 0 || !_store.TryAttach(_store.TableOf(entry, level)))
                {
                    continue;
                }

                attached++;
            }
            else if (!isFound)
            {
                // The file must find the copy before a leaf is read that is put there: so this one is read again.
                _store.Parts.Add(copy, level, owner, record.Origin, record.WindowStart, record.WindowEnd);
                isFound = true;
                i--;
                continue;
            }

            _store.Prepare(copy, i, _store.Format.WithRights(entry, level, _store.Format.RightsOf(entry, level) & slotRights));
        }

        _store.Count(TableEvent.Attached, attached);
    }

    private void DropCopy(Frame copy, int level)
    {
        int detached = 0;
        int entries = _geometry.Entries(level);
        for (int i = 0; i < entries; i++)
        {
            var entry = _store.Read(copy, i);
            if (_store.Format.IsSlot(entry, level))
            {
                _store.Detach(_store.TableOf(entry, level));
                detached++;
            }
        }

        _store.Count(TableEvent.Detached, detached);

        // Who changes the file may have found it.
        _store.RetireTable(copy);
    }

    /// <summary>
    /// Goes down to where an end of a range cuts an entry, and sees to that entry: a file's table is left for one of the space's own, or a
    /// large leaf parts.
    /// </summary>
    private void CutAt(SpaceTables space, VirtualAddress end, bool cutsLeaves)
    {
        var table = space.Root;
        for (int level = _geometry.Levels; level > Level.Pte && !end.IsAligned(_geometry.EntrySpan(level)); level--)
        {
            // An entry that the end cuts cannot lie wholly in the range.
            int index = _geometry.Index(end.Value, level);
            Entry entry;
            using (_store.Lock(table, level))
            {
                entry = _store.Read(table, index);
                if (cutsLeaves && _store.Format.IsLeaf(entry, level))
                {
                    // Into leaves of the next size, of which the end may cut one, too.
                    SplitLeaf(space, table, level, index);
                    entry = _store.Read(table, index);
                }

                if (!cutsLeaves && _store.Format.IsSlot(entry, level) && _store.IsAttached(entry, level))
                {
                    Diverge(space, table, level, index);
                    entry = _store.Read(table, index);
                }
            }

            if (!_store.Format.IsSlot(entry, level) || _store.IsAttached(entry, level))
            {
                return;
            }

            table = _store.TableOf(entry, level);
        }
    }
}
