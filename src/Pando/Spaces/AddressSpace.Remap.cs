using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>mremap.</content>
public sealed partial class AddressSpace
{
    // Frames set aside for tables while a move is under way, so that it cannot fail half-way. Under the space's lock.

    // Whether a move could not set aside what it needs. Under the space's lock.
    private bool _lacksFrames;

    /// <summary>Grows, shrinks or moves a mapping (mremap(2)), as Linux 6.17 and later do.</summary>
    /// <param name="oldAddress">The first address; a multiple of 4 KiB.</param>
    /// <param name="oldLength">
    /// Bytes; rounded up. 0 makes a second mapping of a shared one. Where nothing grows and nothing moves, only the first
    /// address need be mapped; a range that is moved to a given address with its length kept may have several areas
    /// and gaps, which stay as they are.
    /// </param>
    /// <param name="newLength">Bytes; rounded up; more than 0.</param>
    /// <param name="flags">How.</param>
    /// <param name="newAddress">
    /// Where to, with <see cref="RemapFlags.Fixed"/>; a hint with <see cref="RemapFlags.DontUnmap"/> alone; otherwise it is ignored.
    /// </param>
    /// <returns>
    /// The new address; or EINVAL (not aligned, flags that do not go together, new and old overlap, old length 0 of a
    /// private mapping, a file whose pages are fixed would grow or be left behind), EFAULT (the old range is not mapped, or
    /// not in one way; or several areas of which one has a user-fault handler), ENOMEM (no room, or memory is out),
    /// EPERM (sealed, or to below <see cref="LowestAddress"/>). After an error nothing has changed.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public MapResult Remap(VirtualAddress oldAddress, long oldLength, long newLength, RemapFlags flags = RemapFlags.None, VirtualAddress newAddress = default)
    {
        ThrowIfExited();
        const RemapFlags known = RemapFlags.MayMove | RemapFlags.Fixed | RemapFlags.DontUnmap;
        ulong oldBytes = RangeArgument.Of(_geometry, oldAddress, oldLength).Length;
        ulong newBytes = RangeArgument.Of(_geometry, default, newLength).Length;
        if ((flags & ~known) != 0 || _geometry.OffsetInPage(oldAddress.Value) != 0 || newBytes == 0 || newBytes > UserEnd.Value)
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        newLength = (long)newBytes;
        if (NamesTarget(flags)
            && (_geometry.OffsetInPage(newAddress.Value) != 0
                || !IsUserRange(newAddress, newLength)
                || (flags & RemapFlags.MayMove) == 0
                || ((flags & RemapFlags.DontUnmap) != 0 && oldBytes != newBytes)
                || new AddressRange(oldAddress, new VirtualAddress(unchecked(oldAddress.Value + oldBytes))).Overlaps(AddressRange.FromLength(newAddress, newLength))))
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        if (oldAddress >= UserEnd)
        {
            // Nothing is ever mapped there, and it may be no range at all.
            return MapResult.Failed(Errno.EFAULT);
        }

        // Beyond the user's addresses it makes no difference how long it is.
        var old = AddressRange.FromLength(oldAddress, (long)Math.Min(oldBytes, 1UL << 62));

        AddressRange populate;
        MapResult result;
        bool lacksFrames;
        var shortage = new MemoryShortage(_memory);
        do
        {
            using var held = _lock.Write();
            using var reserve = _tables.Reserved();
            _lacksFrames = false;
            ThrowIfExited();
            populate = default;
            result = (flags & RemapFlags.Fixed) != 0 && oldBytes == newBytes
                ? MoveAll(old, newAddress, (flags & RemapFlags.DontUnmap) != 0)
                : RemapOne(old, newLength, flags, newAddress, out populate);
            lacksFrames = _lacksFrames;
        }
        while (lacksFrames && shortage.MakesRoom());

        if (!populate.IsEmpty)
        {
            FaultInLocked(populate);
        }

        return result;
    }

    private static bool NamesTarget(RemapFlags flags) => (flags & (RemapFlags.Fixed | RemapFlags.DontUnmap)) != 0;

    /// <summary>All that changes the length, moves to where there is room, or does not move: of one area.</summary>
    private MapResult RemapOne(AddressRange old, long newLength, RemapFlags flags, VirtualAddress newAddress, out AddressRange populate)
    {
        populate = default;
        if (_areas.Find(old.Start) is not { } area)
        {
            return MapResult.Failed(Errno.EFAULT);
        }

        if ((area.Traits.Flags & AreaFlags.Sealed) != 0)
        {
            return MapResult.Failed(Errno.EPERM);
        }

        long alignment = area.File?.MappingAlignment ?? _geometry.PageSize;
        if (alignment > _geometry.PageSize)
        {
            // Lengths are rounded up to the file's pages, and such mappings neither grow nor stay behind (Linux: mremap of
            // hugetlbfs; check_prep_vma for VM_DONTEXPAND).
            old = AddressRange.FromLength(old.Start, (old.Length + alignment - 1) & -alignment);
            newLength = (newLength + alignment - 1) & -alignment;
            if (newLength > old.Length || (flags & RemapFlags.DontUnmap) != 0 || !old.Start.IsAligned(alignment) || !newAddress.IsAligned(alignment))
            {
                return MapResult.Failed(Errno.EINVAL);
            }
        }

        if (!NamesTarget(flags) && newLength <= old.Length)
        {
            return ShrinkInPlace(old, newLength);
        }

        if (old.Length == 0 && !area.IsShared)
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        if ((flags & RemapFlags.DontUnmap) != 0 && alignment > _geometry.PageSize)
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        // What is cut off may reach over other areas; what is kept may not.
        var moved = old.Length > newLength ? AddressRange.FromLength(old.Start, newLength) : old;
        if (moved.End > area.Range.End)
        {
            return MapResult.Failed(Errno.EFAULT);
        }

        long offset = area.File is null ? 0 : area.Offset + (old.Start - area.Range.Start);
        if (area.File is not null && offset > MappedFile.MaxSize - newLength)
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        bool locked = (area.Traits.Flags & AreaFlags.Locked) != 0 && newLength > old.Length;
        if (!NamesTarget(flags) && old.End == area.Range.End)
        {
            var more = new AddressRange(old.End, old.Start + newLength);
            if (IsUserRange(old.Start, newLength) && _areas.Overlapping(more).IsEmpty)
            {
                Insert(new Area(this, more, area.Traits, area.Opened, area.File is null ? 0 : offset + old.Length));
                populate = locked ? more : default;
                return new MapResult(old.Start, Errno.None);
            }
        }

        if ((flags & RemapFlags.MayMove) == 0)
        {
            return MapResult.Failed(Errno.ENOMEM);
        }

        var start = newAddress;
        if ((flags & RemapFlags.Fixed) == 0)
        {
            // A hint with DONTUNMAP; otherwise it says nothing (Linux: vrm_set_new_addr).
            bool hinted = (flags & RemapFlags.DontUnmap) != 0
                && newAddress.Value >= LowestAddress && newAddress.IsAligned(alignment) && IsUserRange(newAddress, newLength)
                && _areas.Overlapping(AddressRange.FromLength(newAddress, newLength)).IsEmpty;
            if (!hinted && !TryChoose(area.File, offset, newLength, out start))
            {
                return MapResult.Failed(Errno.ENOMEM);
            }
        }

        // What lies at the target goes first: a second mapping cannot be made onto the first.
        var target = AddressRange.FromLength(start, newLength);
        var error = WhyNotReplace(target);
        if (error == Errno.None)
        {
            error = old.Length == 0 && target.Contains(old.Start) ? Errno.EFAULT : WhyNotCutOff(new AddressRange(moved.End, old.End));
        }

        if (error == Errno.None && !TryReserve(moved))
        {
            error = Errno.ENOMEM;
        }

        if (error != Errno.None)
        {
            return MapResult.Failed(error);
        }

        if (moved.End < old.End)
        {
            // First what is at the target, then what is cut off, so that a table that only these two have does not stay.
            var tail = new AddressRange(moved.End, old.End);
            Remove(target);
            Remove(tail);
            _tables.Converge(tail);
            area = _areas.Find(moved.Start)!;
        }

        Move(area, moved, target, offset, (flags & RemapFlags.DontUnmap) != 0);
        populate = locked ? new AddressRange(start + old.Length, target.End) : default;
        return new MapResult(start, Errno.None);
    }

    private MapResult ShrinkInPlace(AddressRange old, long newLength)
    {
        var tail = new AddressRange(old.Start + newLength, old.End);
        if (!tail.IsEmpty)
        {
            var error = WhyNotCutOff(tail);
            if (error != Errno.None)
            {
                return MapResult.Failed(error);
            }

            Remove(tail);
            _tables.Converge(tail);
        }

        return new MapResult(old.Start, Errno.None);
    }

    /// <summary>
    /// Moves all that is mapped in a range to a given address. Gaps stay gaps, and what lies at the target beside them
    /// stays (Linux: remap_move, since 6.17; before, a range of several areas was refused).
    /// </summary>
    private MapResult MoveAll(AddressRange old, VirtualAddress newAddress, bool keepOld)
    {
        long distance = newAddress - old.Start;
        var pieces = new List<AddressRange>();
        foreach (var area in _areas.Overlapping(old))
        {
            var piece = area.Range.Intersect(old);
            if (pieces.Count == 0 && piece.Start > old.Start)
            {
                return MapResult.Failed(Errno.EFAULT);
            }

            long alignment = area.File?.MappingAlignment ?? _geometry.PageSize;
            piece = AddressRange.FromLength(piece.Start, (piece.Length + alignment - 1) & -alignment);
            bool alone = pieces.Count == 0 && area.Range.End >= old.End;
            var error = area.Traits.UserFaults is not null && !alone ? Errno.EFAULT
                : (area.Traits.Flags & AreaFlags.Sealed) != 0 ? Errno.EPERM
                : !piece.Start.IsAligned(alignment) || distance % alignment != 0 || (keepOld && alignment > _geometry.PageSize) ? Errno.EINVAL
                : WhyNotReplace(AddressRange.FromLength(piece.Start + distance, piece.Length));
            if (error != Errno.None)
            {
                return MapResult.Failed(error);
            }

            pieces.Add(piece);
        }

        if (pieces.Count == 0)
        {
            return MapResult.Failed(Errno.EFAULT);
        }

        if (!TryReserve(new AddressRange(old.Start, pieces[^1].End)))
        {
            return MapResult.Failed(Errno.ENOMEM);
        }

        foreach (var piece in pieces)
        {
            var area = _areas.Find(piece.Start)!;
            long offset = area.File is null ? 0 : area.Offset + (piece.Start - area.Range.Start);
            Move(area, piece, AddressRange.FromLength(piece.Start + distance, piece.Length), offset, keepOld);
        }

        return new MapResult(newAddress, Errno.None);
    }

    private Errno WhyNotCutOff(AddressRange tail) =>
        tail.IsEmpty ? Errno.None : IsUserRange(tail.Start, tail.Length) ? WhyNotRemove(tail) : Errno.EINVAL;

    private Errno WhyNotReplace(AddressRange range)
    {
        // Rounded up to the pages of a file, it may have come to lie beyond what may be mapped.
        var error = IsUserRange(range.Start, range.Length) ? WhyNotRemove(range) : Errno.EINVAL;
        return error == Errno.None && range.Start.Value < LowestAddress ? Errno.EPERM : error;
    }

    /// <summary>Moves what a range shows to another place. Slots move as slots; private pages move with their leaves.</summary>
    /// <param name="area">The area that has the range.</param>
    /// <param name="moved">The range; empty where a second mapping is made. Frames for its tables have been set aside.</param>
    /// <param name="target">Where it goes; what is mapped there is unmapped. It may be longer.</param>
    /// <param name="offset">The file offset at its start.</param>
    /// <param name="keepOld">Whether the old range stays mapped, empty.</param>
    private void Move(Area area, AddressRange moved, AddressRange target, long offset, bool keepOld)
    {
        // A file is held while its last area may be under way, and its reverse map while leaves are between two places: a
        // change of the file finds them before or after.
        var file = area.File;
        using var kept = FileUse.Of(file);
        Remove(target);

        // Who handles user faults has not asked to follow the mapping (Linux: mremap_userfaultfd_prep).
        var destination = new Area(this, target, area.Traits.With(0, AreaTraits.AnyUserFault) with { UserFaults = null }, area.Opened, offset);
        var taken = moved.IsEmpty ? moved : WithGaps(moved);
        _memory.Walker.Isolate(this, target);
        if (file is { Tables.ReverseMap: { Count: > 0 } map })
        {
            using var held = map.Hold();
            MoveEntries(moved, taken, target, destination);
        }
        else
        {
            MoveEntries(moved, taken, target, destination);
        }

        Insert(destination);
        if (keepOld)
        {
            _protectedPages.Remove(moved);

            // What is left behind is empty, so that nothing of its area is locked any more (Linux: dontunmap_complete,
            // which joins nothing). The target may have been joined to it, and stays as it is.
            var left = _areas.FirstEndingAfter(moved.Start)!;
            if ((left.Traits.Flags & AnyLock) != 0)
            {
                var pieces = new List<Area>(3);
                Unlock(new AddressRange(left.Range.Start, Earlier(left.Range.End, target.Start)));
                pieces.AddRange(left.Range.Overlaps(target) ? [left.Slice(left.Range.Intersect(target))] : []);
                Unlock(new AddressRange(Later(left.Range.Start, target.End), left.Range.End));
                Exchange([left], pieces.ToArray());

                void Unlock(AddressRange part) =>
                    pieces.AddRange(part.IsEmpty ? [] : [left.Slice(part).With(left.Traits.With(0, AnyLock))]);
            }

            Settle(moved);
        }
        else if (!moved.IsEmpty)
        {
            Remove(moved);
            _tables.Converge(moved);
        }
    }

    private void MoveEntries(AddressRange moved, AddressRange taken, AddressRange target, Area destination)
    {
        var take = new TakeVisitor([]);
        FlushGather.State state = default;
        using (var gather = new FlushGather(Store, this, ref state))
        {
            _memory.Walker.Change(this, moved, taken, default, ref take, in gather);
        }

        // After the flush: break before make, here from one address to another.
        PutDown(take.Taken, target.Start - moved.Start, destination);
    }

    private static VirtualAddress Earlier(VirtualAddress one, VirtualAddress other) => one < other ? one : other;

    private static VirtualAddress Later(VirtualAddress one, VirtualAddress other) => one > other ? one : other;

    /// <summary>Sets aside as many frames as the tables of moved private pages can need; all else that a move makes must do without.</summary>
    private bool TryReserve(AddressRange moved)
    {
        var count = new CountVisitor(_geometry, []);
        FlushGather.State state = default;
        using (var gather = new FlushGather(Store, this, ref state))
        {
            _memory.Walker.VisitWithin(this, moved, ref count, in gather);
        }

        // The pages of one table can come to lie in two, and so on upwards.
        long needed = count.Tables.Count * 2L * (_geometry.Levels - 1);
        if (_tables.TryReserve(needed))
        {
            return true;
        }

        _lacksFrames = true;
        return false;
    }

    private void PutDown(List<TakeVisitor.Item> items, long distance, Area destination)
    {
        foreach (var (entry, level, start) in items)
        {
            var at = start + distance;
            bool isLeaf = Store.Format.IsLeaf(entry, level);
            if (isLeaf)
            {
                // Only private pages are taken as leaves, and room for their tables was set aside.
                if (!_tables.TryMakePath(at, Level.Pte, out var table, reserved: true))
                {
                    throw new InvalidOperationException($"No table could be made at {at} although frames were set aside.");
                }

                using var held = Store.Lock(table, Level.Pte);
                _tables.LetFind(destination, table, Level.Pte, at, _geometry.PageSize);
                Store.Fill(table, Level.Pte, _geometry.Index(at.Value, Level.Pte), entry);
                Store.Memory.Record(table).AnonymousLeaves++;
            }
            else if (distance % _geometry.EntrySpan(level) == 0
                && IsWindowAt(destination, at, level, Store.TableOf(entry, level))
                && _tables.TryMakePath(at, level, out var parent)
                && Store.Read(parent, _geometry.Index(at.Value, level)).IsNone)
            {
                using var held = Store.Lock(parent, level);
                Store.Fill(parent, level, _geometry.Index(at.Value, level), entry);
            }
            else
            {
                Store.Detach(Store.TableOf(entry, level));
                Store.Count(TableEvent.Detached);
            }
        }
    }

    /// <summary>
    /// Whether a file's table is what the destination wants at the slot for an address: it fills the whole span and
    /// shows the same window there. (A mapping that ended within the span and grows as it moves shows another.)
    /// </summary>
    private bool IsWindowAt(Area destination, VirtualAddress at, int level, Frame table)
    {
        var key = TableKey.For(
            _geometry, level - 1,
            (long)at.Value + destination.Delta,
            destination.FileStart,
            destination.FileEnd,
            destination.ClassFor(Store.Format));
        return destination.Range.Contains(AddressRange.FromLength(at, _geometry.EntrySpan(level))) && FileTables.KeyOf(Store, table) == key;
    }

    private readonly record struct CountVisitor(TableGeometry Geometry, HashSet<ulong> Tables) : IEntryVisitor
    {
        public void Visit(EntryRef entry, in FlushGather gather)
        {
            if (!entry.AnonymousFrame.IsNone)
            {
                Tables.Add(entry.Range.Start.Value >> Geometry.EntryShift(Level.Pmd));
            }
        }
    }

    /// <summary>Takes out what moves: slots and private pages. Leaves that show a file are dropped; faults bring them back.</summary>
    private readonly record struct TakeVisitor(List<TakeVisitor.Item> Taken) : IEntryVisitor
    {
        public readonly record struct Item(Entry Entry, int Level, VirtualAddress Start);

        public void Visit(EntryRef entry, in FlushGather gather)
        {
            if (entry.IsLeaf && entry.AnonymousFrame.IsNone)
            {
                entry.Clear(in gather);
            }
            else
            {
                Taken.Add(new Item(entry.TakeOut(in gather), entry.Level, entry.Range.Start));
            }
        }
    }
}
