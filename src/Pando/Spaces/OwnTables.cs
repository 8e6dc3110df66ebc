using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <summary>
/// One address space's own page tables: what leads to them is made, and where they lead into tables of files the space attaches, and comes
/// back (converges). With the walker this is the only code that asks whether a slot leads to a file's table; operations and faults do not.
/// </summary>
/// <remarks>
/// It knows which areas there are, and no operation on them. What is called under the space's lock for writing says so; the rest
/// under the lock for reading as well, beside faults.
/// </remarks>
/// <param name="space">The space.</param>
/// <param name="memory">What all spaces have in common.</param>
/// <param name="areas">The space's areas, protected by its lock.</param>
internal sealed class OwnTables(AddressSpace space, VirtualMemory memory, AreaSet areas)
{
    private readonly TableStore _store = memory.Store;
    private readonly TableGeometry _geometry = memory.Store.Geometry;

    // Frames that a move has set aside for tables. Under the space's lock for writing.
    private readonly Stack<Frame> _reserve = new();

    private TableStore Store => _store;

    /// <summary>Whether a slot of the space's own tables leads into a file's table. See <see cref="TableStore.IsAttached"/>.</summary>
    public bool LeadsToFile(Entry slot, int level) => _store.IsAttached(slot, level);

    /// <summary>For a store to a private mapping: where an entry of an own table leads into a file's table, the space leaves that.</summary>
    public void Leave(Frame table, int level, int index)
    {
        using var held = Store.Lock(table, level);
        if (Store.Read(table, index) is var now && Store.Format.IsSlot(now, level) && Store.IsAttached(now, level))
        {
            memory.Walker.Diverge(space, table, level, index);
        }
    }

    /// <summary>Sets frames aside for tables until the scope of <see cref="Reserved"/> ends; false where memory is out.</summary>
    public bool TryReserve(long frames)
    {
        for (long i = 0; i < frames; i++)
        {
            if (!Store.Frames.TryAllocate(FrameKind.SpaceTable, out var frame))
            {
                return false;
            }

            _reserve.Push(frame);
        }

        return true;
    }

    /// <summary>What is set aside from here on, and not used, is given back when the scope ends.</summary>
    public Reserve Reserved() => new(this);

    /// <summary>
    /// Attaches every span of an area that can be: at once, so that what others have faulted in, or will, needs no
    /// fault here. Tables of PMDs and above are made if they do not exist (4 KiB a GiB, once for all processes);
    /// tables of PTEs only if they do. What memory does not suffice for is left to faults.
    /// </summary>
    public void AttachAll(Area area, AddressRange range)
    {
        if (!area.CanAttach || memory.Sharing == SharingLevels.None || area.Rights == Rights.None)
        {
            return;
        }

        using var epoch = Store.Epochs.Enter();
        AttachIn(space.Root, _geometry.Levels, new VirtualAddress(0), area, range);
    }

    /// <param name="table">The space's own table; none where it does not exist yet.</param>
    /// <param name="level">Its level.</param>
    /// <param name="tableStart">The address at its entry 0.</param>
    /// <param name="area">The area.</param>
    /// <param name="range">The part of the area to attach.</param>
    private void AttachIn(Frame table, int level, VirtualAddress tableStart, Area area, AddressRange range)
    {
        int childLevel = level - 1;
        long entrySpan = _geometry.EntrySpan(level);
        range = range.Intersect(AddressRange.FromLength(tableStart, _geometry.TableSpan(level)));
        bool mayShare = memory.MayShare(childLevel);
        bool mayShareBelow = ((int)memory.Sharing & ((1 << childLevel) - 1)) != 0;
        var tableClass = area.ClassFor(Store.Format);
        var rights = area.FileRights(Store.Format);
        int attached = 0;
        int last = _geometry.Index(range.End.Value - 1, level);
        for (int index = _geometry.Index(range.Start.Value, level); index <= last; index++)
        {
            var start = tableStart + (index * entrySpan);
            var entry = table.IsNone ? Entry.None : Store.Read(table, index);
            if (entry.IsNone)
            {
                if (mayShare && areas.TryGetWindow(AddressRange.FromLength(start, entrySpan), out _, out long windowStart, out long windowEnd))
                {
                    var key = TableKey.For(_geometry, childLevel, (long)start.Value + area.Delta, windowStart, windowEnd, tableClass);
                    if (childLevel >= Level.Pmd && FitsOneLeaf(area, level, (long)start.Value + area.Delta, windowStart, windowEnd))
                    {
                        // No table belongs there: a fault puts the leaf.
                        continue;
                    }

                    var shared = area.File!.Tables.Attach(key, make: childLevel >= Level.Pmd);
                    if (shared.IsNone)
                    {
                        continue;
                    }

                    if (table.IsNone && !TryMakePath(start, level, out table))
                    {
                        Store.Detach(shared);
                        return;
                    }

                    using (Store.Lock(table, level))
                    {
                        Store.Fill(table, level, index, Store.Format.MakeSlot(level, Store.Memory.AddressOf(shared), rights));
                    }

                    attached++;
                }
                else if (mayShareBelow)
                {
                    AttachIn(Frame.None, childLevel, start, area, range);
                }
            }
            else if (mayShareBelow && Store.Format.IsSlot(entry, level) && !Store.IsAttached(entry, level))
            {
                AttachIn(Store.TableOf(entry, level), childLevel, start, area, range);
            }
        }

        if (attached > 0)
        {
            Store.Count(TableEvent.Attached, attached);
        }
    }

    /// <summary>Finds or makes the space's own table of a level on the way to an address. The caller holds the lock for writing.</summary>
    /// <param name="address">The address.</param>
    /// <param name="level">The level.</param>
    /// <param name="table">The table.</param>
    /// <param name="reserved">Whether the frames that a move has set aside may be used.</param>
    public bool TryMakePath(VirtualAddress address, int level, out Frame table, bool reserved = false)
    {
        table = space.Root;
        for (int at = _geometry.Levels; at > level; at--)
        {
            int index = _geometry.Index(address.Value, at);
            var entry = Store.Read(table, index);
            if (entry.IsNone)
            {
                if (!TryMakeChild(table, at, index, address, out var child, reserved))
                {
                    return false;
                }

                table = child;
                continue;
            }

            if (!Store.Format.IsSlot(entry, at) || Store.IsAttached(entry, at))
            {
                return false;
            }

            table = Store.TableOf(entry, at);
        }

        return true;
    }

    /// <summary>Puts an empty table of the space's own into an empty entry. True as well where somebody else was quicker.</summary>
    public bool TryMakeChild(Frame table, int level, int index, VirtualAddress address, out Frame child, bool reserved = false)
    {
        long origin = (long)address.AlignDown(_geometry.EntrySpan(level)).Value;
        child = Frame.None;
        if (reserved && _reserve.TryPop(out child))
        {
            Store.Adopt(child, space, level - 1, origin);
        }
        else if (!Store.TryCreate(space, level - 1, origin, out child))
        {
            return false;
        }

        bool filled;
        using (Store.Lock(table, level))
        {
            filled = Store.Read(table, index).IsNone;
            if (filled)
            {
                Store.Fill(table, level, index, Store.Format.MakeSlot(level, Store.Memory.AddressOf(child), Rights.All));
            }
        }

        if (!filled)
        {
            Store.FreeUnseen(child);
            child = Frame.None;
        }

        return true;
    }

    /// <summary>
    /// After a change of a range: where a span that the space shows through tables of its own has become one window
    /// of a file, the space goes back to the file's table. The caller holds the lock for writing.
    /// </summary>
    public void Converge(AddressRange range)
    {
        if (memory.Sharing != SharingLevels.None)
        {
            ConvergeIn(space.Root, _geometry.Levels, new VirtualAddress(0), range);
        }
    }

    private void ConvergeIn(Frame table, int level, VirtualAddress tableStart, AddressRange range)
    {
        long entrySpan = _geometry.EntrySpan(level);
        int childLevel = level - 1;
        int last = _geometry.Index(range.End.Value - 1, level);
        for (int index = _geometry.Index(range.Start.Value, level); index <= last; index++)
        {
            var slot = Store.Read(table, index);
            if (!Store.Format.IsSlot(slot, level) || Store.IsAttached(slot, level))
            {
                continue;
            }

            var span = AddressRange.FromLength(tableStart + (index * entrySpan), entrySpan);
            if (TryConverge(table, level, index, span, Store.TableOf(slot, level)))
            {
                continue;
            }

            if (childLevel > Level.Pte)
            {
                ConvergeIn(Store.TableOf(slot, level), childLevel, span.Start, range.Intersect(span));
            }
        }
    }

    private bool TryConverge(Frame table, int level, int index, AddressRange span, Frame own)
    {
        int childLevel = level - 1;
        if (!memory.MayShare(childLevel)
            || !areas.TryGetWindow(span, out var area, out long windowStart, out long windowEnd)
            || area.Rights == Rights.None
            || HasAnonymousLeaves(own, childLevel))
        {
            return false;
        }

        var file = area.File!;
        long origin = (long)span.Start.Value + area.Delta;
        using (Store.Epochs.Enter())
        {
            // Where one large leaf can take the table's place, a fault brings it: only the small table has to go.
            var shared = Frame.None;
            bool fitsOneLeaf = FitsOneLeaf(area, level, origin, windowStart, windowEnd);
            if (!fitsOneLeaf)
            {
                var key = TableKey.For(_geometry, childLevel, origin, windowStart, windowEnd, area.ClassFor(Store.Format));
                shared = file.Tables.Attach(key, make: true);
                if (shared.IsNone)
                {
                    return false;
                }

                Contribute(file.Tables, own, shared, childLevel);
            }

            // Break before make, as in every change from one table to another.
            using var held = Store.Lock(table, level);
            Store.Take(table, level, index);
            Store.Shootdown.Flush(space, span, tables: true);
            if (!shared.IsNone)
            {
                Store.Fill(table, level, index, Store.Format.MakeSlot(level, Store.Memory.AddressOf(shared), area.FileRights(Store.Format)));
                Store.Count(TableEvent.Attached);
            }
        }

        Store.Count(TableEvent.Converged);
        FlushGather.State state = default;
        using var gather = new FlushGather(Store, space, ref state);
        ReleaseTree(own, childLevel, in gather);
        return true;
    }

    /// <summary>Whether an entry of a level can show its part of a file by one leaf.</summary>
    private bool FitsOneLeaf(Area area, int level, long origin, long windowStart, long windowEnd) =>
        level <= Store.LargestLeafLevel
        && level <= area.File!.HighestLeafLevel
        && space.LimitsFor(area, level, windowStart, windowEnd) is var limits
        && limits.HighestLevel == level
        && area.File.WhySmall(origin, limits) == SmallPageReason.None;

    /// <summary>
    /// Puts into a file's table what a space's own table knows of the same file and the file's does not yet: it is
    /// true for all.
    /// </summary>
    private void Contribute(FileTables tables, Frame own, Frame shared, int level)
    {
        var key = tables.KeyOf(shared);
        int attached = 0;
        using var held = Store.Lock(shared, level);

        // A change of the layout that begins from here on waits for this lock before it removes leaves.
        if (tables.Invalidate.TryReadSequence(out _))
        {
            int entries = _geometry.Entries(level);
            for (int i = 0; i < entries; i++)
            {
                var entry = Store.Read(own, i);
                if (entry.IsNone || !Store.Read(shared, i).IsNone)
                {
                    continue;
                }

                if (Store.Format.IsLeaf(entry, level))
                {
                    // Where stores are noticed, the right to store is not carried over: a write-back that is under way
                    // may have passed the file's table already.
                    var rights = tables.File.Dirty is null ? Rights.All : Rights.All & ~Rights.Write;
                    rights &= Store.IsZeroPage(Store.Format.TargetOf(entry, level)) ? Rights.All & ~Rights.Write : Rights.All;
                    Store.Fill(shared, level, i, Store.Format.WithRights(entry, level, rights & key.Class.LeafRights));
                }
                else if (Store.IsAttached(entry, level))
                {
                    var child = Store.TableOf(entry, level);
                    if (tables.KeyOf(child) == key.Child(_geometry, i) && Store.TryAttach(child))
                    {
                        Store.Fill(shared, level, i, Store.Format.MakeSlot(level, Store.Memory.AddressOf(child), Rights.All));
                        attached++;
                    }
                }
            }
        }

        Store.Count(TableEvent.Attached, attached);
    }

    private bool HasAnonymousLeaves(Frame table, int level)
    {
        if (level == Level.Pte)
        {
            return Store.Memory.Record(table).AnonymousLeaves > 0;
        }

        int entries = _geometry.Entries(level);
        for (int i = 0; i < entries; i++)
        {
            var entry = Store.Read(table, i);
            if (Store.Format.IsSlot(entry, level) && !Store.IsAttached(entry, level) && HasAnonymousLeaves(Store.TableOf(entry, level), level - 1))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Gives up a table of the space's own and all below it that is the space's; it has been flushed.</summary>
    private void ReleaseTree(Frame table, int level, in FlushGather gather)
    {
        int entries = _geometry.Entries(level);
        for (int i = 0; i < entries; i++)
        {
            var entry = Store.Read(table, i);
            if (!Store.Format.IsSlot(entry, level))
            {
                continue;
            }

            if (Store.IsAttached(entry, level))
            {
                gather.Release(Store.TableOf(entry, level));
            }
            else
            {
                ReleaseTree(Store.TableOf(entry, level), level - 1, in gather);
            }
        }

        gather.Release(table);
    }

    /// <summary>
    /// The leaf for an address in the space's own tables; none where there is none, or the way leads to a file's table.
    /// Under the space's lock; in an epoch, since a fault may leave a file's table while this looks at whose it is.
    /// </summary>
    public Entry FindLeaf(VirtualAddress address)
    {
        using var epoch = Store.Epochs.Enter();
        var table = space.Root;
        for (int level = _geometry.Levels; ; level--)
        {
            var entry = Store.Read(table, _geometry.Index(address.Value, level));
            if (Store.Format.IsLeaf(entry, level))
            {
                return entry;
            }

            if (!Store.Format.IsSlot(entry, level) || Store.IsAttached(entry, level))
            {
                return Entry.None;
            }

            table = Store.TableOf(entry, level);
        }
    }

    /// <summary>
    /// Sees to it that the file of an area finds one of the space's tables before a leaf, or some, is put into it: by all offsets
    /// that the area has there, where it does not yet. Under the table's lock.
    /// </summary>
    /// <param name="area">The area.</param>
    /// <param name="table">The table.</param>
    /// <param name="level">Its level.</param>
    /// <param name="start">The first address of the leaves; in the area.</param>
    /// <param name="length">What they cover together; in the area.</param>
    public void LetFind(Area area, Frame table, int level, VirtualAddress start, long length)
    {
        if (area.File is { Tables: var owner })
        {
            var span = _geometry.SpanOf(start, level);
            long origin = (long)span.Start.Value + area.Delta;
            long offset = (long)start.Value + area.Delta;
            if (!Store.Parts.Has(table, owner, origin, offset, offset + length))
            {
                var part = span.Intersect(area.Range);
                Store.Parts.Add(table, level, owner, origin, (long)part.Start.Value + area.Delta, (long)part.End.Value + area.Delta);
            }
        }
    }

    /// <summary>
    /// No file finds this space any more by a range that has been unmapped, after the flush: where the tables that are left lie, which is
    /// at the ends.
    /// </summary>
    public void EndFinding(AddressRange range)
    {
        CutParts(range.Start, range);
        CutParts(range.End - 1, range);
    }

    private void CutParts(VirtualAddress at, AddressRange range)
    {
        var table = space.Root;
        for (int level = _geometry.Levels; ; level--)
        {
            if (level <= _geometry.HighestLeafLevel)
            {
                Store.Parts.Cut(table, level, range);
            }

            var entry = Store.Read(table, _geometry.Index(at.Value, level));
            if (!Store.Format.IsSlot(entry, level) || Store.IsAttached(entry, level))
            {
                return;
            }

            table = Store.TableOf(entry, level);
        }
    }

    /// <summary>Frames that are set aside until the scope ends.</summary>
    public readonly ref struct Reserve(OwnTables tables)
    {
        /// <summary>Gives back what has not been used. Called once, by <c>using</c>.</summary>
        public void Dispose()
        {
            while (tables._reserve.TryPop(out var unused))
            {
                tables.Store.Frames.Free(unused);
            }
        }
    }
}
