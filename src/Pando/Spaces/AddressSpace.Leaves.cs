using System.Diagnostics;
using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>What a fault puts where a leaf belongs: the file's page, a private page, a copy, the right to store.</content>
public sealed partial class AddressSpace
{
    /// <summary>Fills the empty entry with a leaf, if one belongs at this level.</summary>
    private FaultStep TryFillLeaf(ref FaultState fault, Frame table, int level, int index)
    {
        var area = fault.Area;
        if (fault.Purpose == FaultPurpose.Provide)
        {
            return level == Level.Pte ? PutProvided(ref fault, table, index) : FaultStep.GoDown;
        }

        if (area.File is not { } file)
        {
            return fault.Asks(AreaFlags.UserMissing) ? fault.Ask(UserFaultKind.Missing)
                : level == Level.Pte ? FillAnonymous(ref fault, table, index)
                : FaultStep.GoDown;
        }

        if (level > Level.Pmd && (level > file.HighestLeafLevel || fault.CopiesOnWrite || area.Traits.UserFaults is not null))
        {
            return FaultStep.GoDown;
        }

        // A store to a protected page puts the page first, and asks then.
        bool isProtected = IsProtected(area, fault.Address);
        bool write = fault.Access == AccessKind.Write && area.IsShared && !isProtected;
        var limits = fault.CopiesOnWrite ? new LeafLimits(Level.Pte, SmallPageReason.PrivateWrite, fault.WindowStart, fault.WindowEnd)
            : level == Level.Pte ? new LeafLimits(Level.Pte, SmallPageReason.SmallTable, fault.WindowStart, fault.WindowEnd)
            : LimitsFor(fault, level);

        // One look tells whether the file has the page, and makes it only where no handler is asked for what it has not: a hole that
        // is punched meanwhile is found here, or by the check of the sequence.
        long offset = (long)fault.Address.Value + area.Delta;
        bool makes = fault.Makes || (Schedule.LeavesOut(ProtocolPart.OneLookAtMissing) && file.Locate(offset) is not null);
        var page = file.Find(offset, write, limits, makes);
        if (page.Status == PageStatus.Absent)
        {
            if (fault.Purpose != FaultPurpose.Access)
            {
                return fault.Fail(FaultKind.BusError);
            }

            if (fault.Asks(AreaFlags.UserMissing))
            {
                return fault.Ask(UserFaultKind.Missing);
            }

            fault.Makes = true;
            page = file.Find(offset, write, limits, makes: true);
        }
        else if (page.Status == PageStatus.Found && fault.Asks(AreaFlags.UserMinor) && !fault.Makes)
        {
            return fault.Ask(UserFaultKind.Minor);
        }

        if (page.Status != PageStatus.Found)
        {
            return page.Status switch
            {
                PageStatus.MustGiveStorage => FaultStep.MustGiveStorage,
                PageStatus.MustReadmit => FaultStep.MustReadmit,
                PageStatus.MustProvide => FaultStep.MustProvide,
                _ => fault.Fail(FailureFor(page.Status)),
            };
        }

        if (fault.CopiesOnWrite)
        {
            // Only where there is something to copy is a table made for the copy.
            return level == Level.Pte ? FillCopy(ref fault, table, index, page.Address) : FaultStep.GoDown;
        }

        if (page.Level != level)
        {
            return FaultStep.GoDown;
        }

        // How many leaves: one for a fault, as many as the extent and the table have for a populated range. Where a handler may have to
        // be asked, for each by itself.
        long leafSize = _geometry.EntrySpan(level);
        var start = fault.Address.AlignDown(leafSize);
        long wanted = Math.Min(Math.Min(page.Run, fault.End.AlignUp(leafSize) - start), (_geometry.Entries(level) - index) * leafSize);
        int count = area.Traits.UserFaults is not null ? 1 : (int)Math.Max(1, Math.Min(wanted, fault.WindowEnd - page.Offset) / leafSize);

        var rights = fault.InTablesOf is not null ? area.ClassFor(Store.Format).LeafRights : area.FileRights(Store.Format);
        if (!page.Writable || isProtected)
        {
            rights &= ~Rights.Write;
        }

        if (write && MustCommit(area, file))
        {
            return fault.CommitFirst(page.Offset, leafSize);
        }

        int filled = 0;
        bool current;
        bool noted;
        using (Store.Lock(table, level))
        {
            if (fault.InTablesOf is null)
            {
                _tables.LetFind(area, table, level, start, count * leafSize);
            }

            current = file.Tables.Invalidate.IsCurrent(fault.Sequence) && !Store.IsDead(table) && Store.Read(table, index).IsNone;
            noted = !current || !write || file.TryNoteWrite(page.Offset, count * leafSize);
            if (current && noted)
            {
                for (; filled < count && Store.Read(table, index + filled).IsNone; filled++)
                {
                    var place = page.Address + (filled * leafSize);
                    Store.Fill(table, level, index + filled, Store.Format.MakeLeaf(level, place, rights, dirty: write, protectionKey: area.Traits.ProtectionKey));
                }
            }
        }

        if (!noted)
        {
            return fault.Fail(FaultKind.OutOfMemory);
        }

        if (!current)
        {
            return FaultStep.Again;
        }

        Store.Count(TableEvent.LeafPopulated, filled);
        return isProtected && fault.Access == AccessKind.Write ? FaultStep.Again : fault.Finish(FaultKind.Populated, start + (filled * leafSize));
    }

    private FaultStep FillAnonymous(ref FaultState fault, Frame table, int index)
    {
        var rights = Store.Format.Effective(fault.Area.Rights);
        bool write = fault.Access == AccessKind.Write;
        var frame = _memory.ZeroPage;
        if (write && !Store.Frames.TryAllocate(FrameKind.Anonymous, out frame))
        {
            return fault.Fail(FaultKind.OutOfMemory);
        }

        int key = fault.Area.Traits.ProtectionKey;
        var leaf = write
            ? Store.MakeAnonymousLeaf(frame, rights, dirty: true, key)
            : Store.Format.MakeLeaf(Level.Pte, Store.Memory.AddressOf(frame), rights & ~Rights.Write, protectionKey: key);
        return PutPrivateLeaf(ref fault, table, index, leaf, write ? frame : Frame.None);
    }

    private FaultStep FillCopy(ref FaultState fault, Frame table, int index, PhysicalAddress source)
    {
        if (!TryCopyFrame(source, out var frame, out var failure))
        {
            return fault.Fail(failure);
        }

        bool isProtected = IsProtected(fault.Area, fault.Address);
        var step = PutPrivateLeaf(ref fault, table, index, PrivateLeaf(fault.Area, frame, isProtected), frame);
        return isProtected && step == FaultStep.Done ? FaultStep.Again : step;
    }

    /// <summary>Puts the frame that a user-fault handler provides.</summary>
    private FaultStep PutProvided(ref FaultState fault, Frame table, int index)
    {
        if (fault.Area.File is { } file && file.IsPastEnd((long)fault.Address.Value + fault.Area.Delta))
        {
            return fault.Fail(FaultKind.BusError);
        }

        var leaf = PrivateLeaf(fault.Area, fault.Provided, IsProtected(fault.Area, fault.Address));
        return PutPrivateLeaf(ref fault, table, index, leaf, fault.Provided);
    }

    /// <summary>A leaf that shows a frame of private memory.</summary>
    private Entry PrivateLeaf(Area area, Frame frame, bool isProtected)
    {
        var rights = Store.Format.Effective(area.Rights);
        return Store.MakeAnonymousLeaf(frame, isProtected ? rights & ~Rights.Write : rights, dirty: true, area.Traits.ProtectionKey);
    }

    /// <summary>Puts a leaf of private memory into an empty entry of the space's own table of PTEs.</summary>
    private FaultStep PutPrivateLeaf(ref FaultState fault, Frame table, int index, Entry leaf, Frame anonymous)
    {
        bool put;
        using (Store.Lock(table, Level.Pte))
        {
            // Truncation must find what is put there.
            _tables.LetFind(fault.Area, table, Level.Pte, _geometry.PageStart(fault.Address), _geometry.PageSize);
            put = Store.Read(table, index).IsNone && IsCurrent(fault);
            if (put)
            {
                if (!anonymous.IsNone)
                {
                    Store.Memory.Record(anonymous).References = 1;
                    Store.Memory.Record(table).AnonymousLeaves++;
                }

                Store.Fill(table, Level.Pte, index, leaf);
            }
        }

        if (!put)
        {
            if (!anonymous.IsNone && anonymous != fault.Provided)
            {
                Store.Frames.Free(anonymous);
            }

            return FaultStep.Again;
        }

        Store.Count(TableEvent.LeafPopulated);
        if (!anonymous.IsNone)
        {
            Store.Count(TableEvent.PageCopied);
        }

        return fault.Finish(anonymous.IsNone ? FaultKind.Populated : FaultKind.Copied, _geometry.PageStart(fault.Address) + _geometry.PageSize);
    }

    /// <summary>The entry is a leaf already: perhaps it only has to become writable, or be copied.</summary>
    private FaultStep AtLeaf(ref FaultState fault, Frame table, int level, int index, Entry leaf)
    {
        var next = fault.Address.AlignDown(_geometry.EntrySpan(level)) + _geometry.EntrySpan(level);
        if (fault.Access == AccessKind.Write && fault.Asks(AreaFlags.UserWriteProtect))
        {
            if (IsProtected(fault.Area, fault.Address))
            {
                return fault.Ask(UserFaultKind.WriteProtect);
            }

            if (level > Level.Pte && HasProtected(AddressRange.FromLength(fault.Address.AlignDown(_geometry.EntrySpan(level)), _geometry.EntrySpan(level))))
            {
                return SplitForOne(table, level, index);
            }
        }

        if (fault.Purpose != FaultPurpose.Access
            || fault.Access != AccessKind.Write || (Store.Format.RightsOf(leaf, level) & Rights.Write) != 0)
        {
            return fault.Purpose == FaultPurpose.Access && LacksMark(leaf, level, fault.Access)
                ? Mark(ref fault, table, level, index, leaf)
                : fault.Finish(fault.Kind == FaultKind.Attached ? FaultKind.Attached : FaultKind.Spurious, next);
        }

        if (!fault.Area.IsShared)
        {
            return level > Level.Pte ? SplitForOne(table, level, index) : CopyOnWrite(ref fault, table, index, leaf);
        }

        var target = Store.Format.TargetOf(leaf, level);
        if (target == _memory.ZeroPageAddress || fault.Area.File!.MustCopyToStore((long)fault.Address.Value + fault.Area.Delta))
        {
            return FaultStep.MustGiveStorage;
        }

        // The first store to a page of a file: noted before any processor can make it, and under the same lock, so
        // that a write-back either finds the right to store or leaves the note.
        long leafSize = _geometry.EntrySpan(level);
        long offset = ((long)fault.Address.Value + fault.Area.Delta) & -leafSize;
        if (MustCommit(fault.Area, fault.Area.File!))
        {
            return fault.CommitFirst(offset, leafSize);
        }

        var rights = fault.InTablesOf is not null ? fault.Area.ClassFor(Store.Format).LeafRights : fault.Area.FileRights(Store.Format);
        bool same;
        bool noted;
        using (Store.Lock(table, level))
        {
            var now = Store.Read(table, index);
            same = Store.Format.IsLeaf(now, level) && Store.Format.TargetOf(now, level) == target && IsCurrent(fault);
            noted = !same || fault.Area.File!.TryNoteWrite(offset, leafSize);
            if (same && noted)
            {
                Store.WriteEnable(table, level, index, rights);
            }
        }

        if (!noted)
        {
            return fault.Fail(FaultKind.OutOfMemory);
        }

        if (!same)
        {
            return FaultStep.Again;
        }

        Store.Count(TableEvent.LeafWriteEnabled);
        return fault.Finish(FaultKind.WriteEnabled, next);
    }

    /// <summary>Whether a leaf that allows an access faults all the same, until it is marked.</summary>
    private bool LacksMark(Entry leaf, int level, AccessKind access) =>
        Store.MarksByFault
        && (!Store.Format.IsAccessed(leaf, level) || (access == AccessKind.Write && !Store.Format.IsDirty(leaf, level)));

    /// <summary>Marks a leaf as used, for all who show it: what a processor does elsewhere.</summary>
    private FaultStep Mark(ref FaultState fault, Frame table, int level, int index, Entry leaf)
    {
        using (Store.Lock(table, level))
        {
            var now = Store.Read(table, index);
            bool same = Store.Format.IsLeaf(now, level)
                && Store.Format.TargetOf(now, level) == Store.Format.TargetOf(leaf, level)
                && Store.Format.RightsOf(now, level) == Store.Format.RightsOf(leaf, level);
            if (!same || Store.IsDead(table))
            {
                return FaultStep.Again;
            }

            Store.Mark(table, level, index, fault.Access == AccessKind.Write);
        }

        return fault.Finish(FaultKind.Marked, fault.Address.AlignDown(_geometry.EntrySpan(level)) + _geometry.EntrySpan(level));
    }

    /// <summary>Parts a large leaf of which one page is to be shown in another way than the rest.</summary>
    private FaultStep SplitForOne(Frame table, int level, int index)
    {
        using var held = Store.Lock(table, level);
        if (Store.Format.IsLeaf(Store.Read(table, index), level))
        {
            _memory.Walker.SplitLeaf(this, table, level, index);
        }

        return FaultStep.Again;
    }

    private FaultStep CopyOnWrite(ref FaultState fault, Frame table, int index, Entry leaf)
    {
        var rights = Store.Format.Effective(fault.Area.Rights);
        var target = Store.Format.TargetOf(leaf, Level.Pte);
        var shared = Store.AnonymousFrameOf(leaf, Level.Pte);

        // The last who refers to a frame keeps it. The count can fall meanwhile but not rise: only a fork of this
        // space raises it, and that excludes faults.
        Schedule.Reach(SchedulePoint.SharedWord);
        bool keep = !shared.IsNone && Volatile.Read(ref Store.Memory.Record(shared).References) == 1;
        var copy = Frame.None;
        var failure = FaultKind.OutOfMemory;
        if (!keep
            && !(target == _memory.ZeroPageAddress
                ? Store.Frames.TryAllocate(FrameKind.Anonymous, out copy)
                : TryCopyFrame(target, out copy, out failure)))
        {
            return fault.Fail(failure);
        }

        bool same;
        using (Store.Lock(table, Level.Pte))
        {
            var now = Store.Read(table, index);
            same = Store.Format.IsLeaf(now, Level.Pte)
                && Store.Format.TargetOf(now, Level.Pte) == target
                && (Store.Format.RightsOf(now, Level.Pte) & Rights.Write) == 0
                && IsCurrent(fault);
            if (same && keep)
            {
                Store.WriteEnable(table, Level.Pte, index, rights);
            }
            else if (same)
            {
                ReplaceByCopy(fault, table, index, shared, copy, rights);
            }
        }

        if (!same)
        {
            if (!copy.IsNone)
            {
                Store.Frames.Free(copy);
            }

            return FaultStep.Again;
        }

        Store.Count(keep ? TableEvent.LeafWriteEnabled : TableEvent.PageCopied);
        return fault.Finish(FaultKind.Copied, _geometry.PageStart(fault.Address) + _geometry.PageSize);
    }

    /// <summary>Puts a copy in the place of a leaf. Under the table's lock.</summary>
    private void ReplaceByCopy(in FaultState fault, Frame table, int index, Frame shared, Frame copy, Rights rights)
    {
        // Break before make: nobody may store to the copy while a processor still reads the original.
        Store.Take(table, Level.Pte, index);
        FlushGather.State state = default;
        using (var gather = new FlushGather(Store, this, ref state))
        {
            gather.Drop(AddressRange.FromLength(_geometry.PageStart(fault.Address), _geometry.PageSize), tables: false);
            if (shared.IsNone)
            {
                Store.Memory.Record(table).AnonymousLeaves++;
            }
            else
            {
                gather.Release(shared);
            }
        }

        Store.Memory.Record(copy).References = 1;
        Store.Fill(table, Level.Pte, index, Store.MakeAnonymousLeaf(copy, rights, dirty: true, fault.Area.Traits.ProtectionKey));
    }

    private bool TryCopyFrame(PhysicalAddress source, out Frame copy, out FaultKind failure)
    {
        failure = FaultKind.OutOfMemory;
        if (!Store.Frames.TryAllocate(FrameKind.Anonymous, zero: !Store.Memory.HasBytes(source), out copy))
        {
            return false;
        }

        if (Store.Memory.HasBytes(source))
        {
            Schedule.Reach(SchedulePoint.Bytes);
            if (!Store.Memory.TryCopyPage(source, copy))
            {
                Store.Frames.Free(copy);
                failure = FaultKind.BusError;
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether stores to the page of an address go to a handler. Under the space's lock.</summary>
    private bool IsProtected(Area area, VirtualAddress address) =>
        (area.Traits.Flags & AreaFlags.UserWriteProtect) != 0 && _protectedPages.Has(address);

    /// <summary>Whether any page of a range is protected. Under the space's lock.</summary>
    private bool HasProtected(AddressRange range) => !_protectedPages.IsEmpty && _protectedPages.CountIn(range) > 0;

    /// <summary>Whether the file's metadata must be made durable before a page of the area may be written (MAP_SYNC).</summary>
    private static bool MustCommit(Area area, MappedFile file) =>
        (area.Traits.Flags & AreaFlags.Synchronous) != 0 && file.HasPendingMetadata;

    private static bool IsCurrent(in FaultState fault) =>
        fault.Area.File is not { } file || file.Tables.Invalidate.IsCurrent(fault.Sequence);

    /// <summary>
    /// The limits of a large leaf. A handler shows the pages of a file one by one (UFFDIO_CONTINUE), but for those that cannot be smaller; and
    /// one leaf says of all its pages whether they are protected.
    /// </summary>
    private LeafLimits LimitsFor(in FaultState fault, int level)
    {
        var area = fault.Area;
        var span = AddressRange.FromLength(fault.Address.AlignDown(_geometry.EntrySpan(level)), _geometry.EntrySpan(level));
        bool fits = area.File!.MappingAlignment >= span.Length
            || (fault.Purpose == FaultPurpose.Access && (area.Traits.Flags & AreaFlags.UserMinor) == 0 && !HasProtected(span));
        return fits
            ? LimitsFor(area, level, fault.WindowStart, fault.WindowEnd)
            : new LeafLimits(Level.Pte, SmallPageReason.UserFaults, fault.WindowStart, fault.WindowEnd);
    }

    internal LeafLimits LimitsFor(Area area, int level, long windowStart, long windowEnd)
    {
        if (level > Store.LargestLeafLevel)
        {
            return new LeafLimits(Level.Pte, SmallPageReason.Disabled, windowStart, windowEnd);
        }

        bool congruent = (area.Delta & (_geometry.EntrySpan(level) - 1)) == 0;
        return congruent
            ? new LeafLimits(level, SmallPageReason.None, windowStart, windowEnd)
            : new LeafLimits(Level.Pte, SmallPageReason.NotCongruent, windowStart, windowEnd);
    }

    private static FaultKind FailureFor(PageStatus status) => status switch
    {
        PageStatus.OutOfMemory => FaultKind.OutOfMemory,
        PageStatus.PastEnd or PageStatus.OutOfSpace or PageStatus.Failed => FaultKind.BusError,
        PageStatus.Poisoned => FaultKind.HardwarePoison,
        _ => throw new UnreachableException(),
    };
}
