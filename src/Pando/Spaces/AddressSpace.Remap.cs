using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>mremap.</content>
public sealed partial class AddressSpace
{
    // Frames set aside for tables while a move is under way, so that it cannot fail half-way. Under the space's lock.
    private readonly Stack<Frame> _reserve = new();

    /// <summary>Grows, shrinks or moves a mapping (mremap(2)).</summary>
    /// <param name="oldAddress">The first address; a multiple of 4 KiB.</param>
    /// <param name="oldLength">Bytes; rounded up. 0 makes a second mapping of a shared one.</param>
    /// <param name="newLength">Bytes; rounded up; more than 0.</param>
    /// <param name="flags">How.</param>
    /// <param name="newAddress">Where to, with <see cref="RemapFlags.Fixed"/>; a hint with <see cref="RemapFlags.DontUnmap"/>.</param>
    /// <returns>
    /// The new address; or EINVAL (not aligned, flags that do not go together, new and old overlap, old length 0 of a
    /// private mapping), EFAULT (the old range is not mapped, or not in one way), ENOMEM (no room, or memory is out),
    /// EPERM (sealed, or to below <see cref="LowestAddress"/>). After an error nothing has changed.
    /// </returns>
    public MapResult Remap(VirtualAddress oldAddress, long oldLength, long newLength, RemapFlags flags = RemapFlags.None, VirtualAddress newAddress = default)
    {
        const RemapFlags known = RemapFlags.MayMove | RemapFlags.Fixed | RemapFlags.DontUnmap;
        if ((flags & ~known) != 0 || oldAddress.PageOffset != 0 || oldLength < 0 || newLength <= 0
            || oldLength > long.MaxValue / 2 || newLength > long.MaxValue / 2
            || ((flags & (RemapFlags.Fixed | RemapFlags.DontUnmap)) != 0 && (flags & RemapFlags.MayMove) == 0))
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        oldLength = (oldLength + Level.PageSize - 1) & -(long)Level.PageSize;
        newLength = (newLength + Level.PageSize - 1) & -(long)Level.PageSize;
        var old = AddressRange.FromLength(oldAddress, oldLength);
        if ((flags & RemapFlags.DontUnmap) != 0 && oldLength != newLength)
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        if ((flags & RemapFlags.Fixed) != 0
            && (newAddress.PageOffset != 0 || !IsUserRange(newAddress, newLength) || old.Overlaps(AddressRange.FromLength(newAddress, newLength))))
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        AddressRange populate;
        MapResult result;
        _lock.EnterWrite(LockRank.Space);
        try
        {
            ThrowIfExited();
            result = RemapLocked(old, newLength, flags, newAddress, out populate);
        }
        finally
        {
            _lock.ExitWrite(LockRank.Space);
        }

        if (!populate.IsEmpty)
        {
            FaultInLocked(populate);
        }

        return result;
    }

    private MapResult RemapLocked(AddressRange old, long newLength, RemapFlags flags, VirtualAddress newAddress, out AddressRange populate)
    {
        populate = default;
        if (_areas.Find(old.Start) is not { } area || (old.Length > 0 && !area.Range.Contains(old)))
        {
            return MapResult.Failed(Errno.EFAULT);
        }

        if ((area.Traits.Flags & AreaFlags.Sealed) != 0)
        {
            return MapResult.Failed(Errno.EPERM);
        }

        long alignment = area.File?.MappingAlignment ?? Level.PageSize;
        if (alignment > Level.PageSize)
        {
            // Lengths are rounded up to the file's pages, and such mappings do not grow (Linux: mremap of hugetlbfs).
            old = AddressRange.FromLength(old.Start, (old.Length + alignment - 1) & -alignment);
            newLength = (newLength + alignment - 1) & -alignment;
            if (newLength > old.Length || !area.Range.Contains(old))
            {
                return MapResult.Failed(Errno.EINVAL);
            }
        }

        if ((old.Start - area.Range.Start) % alignment != 0 || ((flags & RemapFlags.Fixed) != 0 && !newAddress.IsAligned(alignment)))
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        if (old.Length == 0 && (!area.IsShared || (flags & RemapFlags.MayMove) == 0))
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        long offset = area.File is null ? 0 : area.Offset + (old.Start - area.Range.Start);
        if (area.File is not null && offset > (long.MaxValue / 4) - newLength)
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        bool mustMove = (flags & (RemapFlags.Fixed | RemapFlags.DontUnmap)) != 0 || old.Length == 0;
        if (!mustMove && newLength <= old.Length)
        {
            if (newLength < old.Length)
            {
                var tail = new AddressRange(old.Start + newLength, old.End);
                Remove(tail);
                Converge(tail);
            }

            return new MapResult(old.Start, Errno.None);
        }

        bool locked = (area.Traits.Flags & AreaFlags.Locked) != 0;
        if (!mustMove && old.End == area.Range.End)
        {
            var more = new AddressRange(old.End, old.Start + newLength);
            if (IsUserRange(old.Start, newLength) && _areas.Overlapping(more).IsEmpty)
            {
                Insert(new Area(this, more, area.Traits, area.File, area.File is null ? 0 : offset + old.Length));
                populate = locked ? more : default;
                return new MapResult(old.Start, Errno.None);
            }
        }

        if ((flags & RemapFlags.MayMove) == 0)
        {
            return MapResult.Failed(Errno.ENOMEM);
        }

        if ((flags & RemapFlags.Fixed) != 0 && newAddress.Value < LowestAddress)
        {
            return MapResult.Failed(Errno.EPERM);
        }

        var target = newAddress;
        if ((flags & RemapFlags.Fixed) == 0)
        {
            bool hinted = newAddress.Value >= LowestAddress && newAddress.IsAligned(alignment) && IsUserRange(newAddress, newLength)
                && _areas.Overlapping(AddressRange.FromLength(newAddress, newLength)).IsEmpty;
            if (!hinted && !TryChoose(area.File, offset, newLength, out target))
            {
                return MapResult.Failed(Errno.ENOMEM);
            }
        }

        var moved = old.Length > newLength ? AddressRange.FromLength(old.Start, newLength) : old;
        var result = Move(area, old, moved, AddressRange.FromLength(target, newLength), offset, (flags & RemapFlags.DontUnmap) != 0);
        populate = result.Succeeded && locked ? AddressRange.FromLength(target, newLength) : default;
        return result;
    }

    /// <summary>Moves what a range shows to another place. Slots move as slots; private pages move with their leaves.</summary>
    private MapResult Move(Area area, AddressRange old, AddressRange moved, AddressRange target, long offset, bool keepOld)
    {
        if (HasAny(target, AreaFlags.Sealed))
        {
            return MapResult.Failed(Errno.EPERM);
        }

        if (!MayCutAt(target))
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        if (!TryReserve(moved))
        {
            return MapResult.Failed(Errno.ENOMEM);
        }

        // A file is held while its last area may be under way, and its index while leaves are between two places: a
        // change of the file finds them before or after.
        var file = area.File;
        file?.AddUser();
        Remove(target);

        // Who handles user faults has not asked to follow the mapping (Linux: mremap_userfaultfd_prep).
        var destination = new Area(this, target, area.Traits.With(0, AnyUserFault) with { UserFaults = null }, file, offset);
        var taken = moved.IsEmpty ? moved : WithGaps(moved);
        PrepareToDiverge(moved, taken);
        PrepareToDiverge(AddressRange.TableSpan(target.Start, Store.Format.Levels), target);
        _memory.Walker.Isolate(this, target);
        bool indexed = area.IsIndexed || (file is not null && IsIndexedNow(moved));
        if (indexed)
        {
            file!.PrivateMappings.Enter();
            destination.IsIndexed = true;
            file.PrivateMappings.Add(destination);
        }

        var gather = new FlushGather(Store, this);
        var take = new TakeVisitor([]);
        _memory.Walker.Change(this, moved, taken, default, ref take, ref gather);

        // Break before make, here from one address to another.
        gather.Finish();
        PutDown(take.Taken, target.Start - moved.Start, destination);
        if (indexed)
        {
            file!.PrivateMappings.Exit();
        }

        Insert(destination);
        while (_reserve.TryPop(out var unused))
        {
            Store.Frames.Free(unused);
        }

        if (!keepOld && !old.IsEmpty)
        {
            Remove(old);
            Converge(old);
        }
        else if (keepOld)
        {
            // What is left behind is empty, so that nothing of it is locked.
            Rewrite(old, left => left.Traits.With(0, AnyLock));
            Settle(old);
        }

        file?.RemoveUser();
        return new MapResult(target.Start, Errno.None);
    }

    private bool IsIndexedNow(AddressRange range)
    {
        foreach (var area in _areas.Overlapping(range))
        {
            if (area.IsIndexed)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Sets aside as many frames as the tables of moved private pages can need.</summary>
    private bool TryReserve(AddressRange moved)
    {
        var count = new CountVisitor([]);
        var gather = new FlushGather(Store, this);
        _memory.Walker.VisitWithin(this, moved, ref count, ref gather);
        gather.Finish();

        // The pages of one table can come to lie in two, and so on upwards.
        long needed = count.Tables.Count * 2L * (Store.Format.Levels - 1);
        for (long i = 0; i < needed; i++)
        {
            if (!Store.Frames.TryAllocate(FrameKind.SpaceTable, out var frame))
            {
                while (_reserve.TryPop(out var unused))
                {
                    Store.Frames.Free(unused);
                }

                return false;
            }

            _reserve.Push(frame);
        }

        return true;
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
                if (!TryMakePath(at, Level.Pte, out var table))
                {
                    throw new InvalidOperationException($"No table could be made at {at} although frames were set aside.");
                }

                Store.Lock(table, Level.Pte);
                Store.Fill(table, Level.Pte, Level.Index(at.Value, Level.Pte), Store.Format.Marked(entry, Level.Pte, false));
                Store.Memory.Record(table).AnonymousLeaves++;
                Store.Unlock(table, Level.Pte);
            }
            else if (distance % Level.EntrySpan(level) == 0
                && IsWindowAt(destination, at, level, Store.TableOf(entry, level))
                && TryMakePath(at, level, out var parent)
                && Store.Read(parent, Level.Index(at.Value, level)).IsNone)
            {
                Store.Lock(parent, level);
                Store.Fill(parent, level, Level.Index(at.Value, level), entry);
                Store.Unlock(parent, level);
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
            level - 1,
            (long)at.Value + destination.Delta,
            destination.FileStart,
            destination.FileEnd,
            destination.ClassFor(Store.Format));
        return destination.Range.Contains(AddressRange.FromLength(at, Level.EntrySpan(level))) && FileTables.KeyOf(Store, table) == key;
    }

    private readonly record struct CountVisitor(HashSet<ulong> Tables) : IEntryVisitor
    {
        public void Visit(EntryRef entry, ref FlushGather gather)
        {
            if (!entry.AnonymousFrame.IsNone)
            {
                Tables.Add(entry.Range.Start.Value >> Level.EntryShift(Level.Pmd));
            }
        }
    }

    /// <summary>Takes out what moves: slots and private pages. Leaves that show a file are dropped; faults bring them back.</summary>
    private readonly record struct TakeVisitor(List<TakeVisitor.Item> Taken) : IEntryVisitor
    {
        public readonly record struct Item(Entry Entry, int Level, VirtualAddress Start);

        public void Visit(EntryRef entry, ref FlushGather gather)
        {
            if (entry.IsLeaf && entry.AnonymousFrame.IsNone)
            {
                entry.Clear(ref gather);
            }
            else
            {
                Taken.Add(new Item(entry.TakeOut(ref gather), entry.Level, entry.Range.Start));
            }
        }
    }
}
