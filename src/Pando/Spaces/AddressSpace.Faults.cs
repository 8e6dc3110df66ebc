using System.Diagnostics;
using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>The fault handler, and populating ranges, which is the same thing for many pages.</content>
/// <remarks>
/// A fault goes down from the root without locks, inside an epoch. Where an entry is empty it puts what belongs there
/// under the lock of that one table: a slot to the file's table where the span is one window of a file, a table of
/// the space's own where it is not, a leaf at the end. Once it has entered a file's table it fills that in the
/// file's name: all sharers see it, and it is true for all.
/// </remarks>
public sealed partial class AddressSpace
{
    /// <summary>
    /// Resolves a fault: what the processor calls when an access finds no translation, or one that does not allow it.
    /// Allocates no managed memory on the ordinary ways.
    /// </summary>
    public FaultResult Fault(VirtualAddress address, AccessKind access)
    {
        var kind = ResolveWithHelp(address, access, address + 1, asksUser: true, out _);
        Store.Count(kind switch
        {
            FaultKind.Populated => TableEvent.FaultPopulated,
            FaultKind.Attached => TableEvent.FaultAttached,
            FaultKind.WriteEnabled => TableEvent.FaultWriteEnabled,
            FaultKind.Copied => TableEvent.FaultCopied,
            FaultKind.Spurious => TableEvent.FaultSpurious,
            _ => TableEvent.FaultFailed,
        });
        return new FaultResult(kind, address);
    }

    /// <summary>
    /// Faults in every page of a range, as if each were accessed (MADV_POPULATE_READ, MADV_POPULATE_WRITE).
    /// </summary>
    /// <returns>The outcome for the first address that could not be populated; a resolved one if all could.</returns>
    public FaultResult Populate(AddressRange range, AccessKind access) => Populate(range, access, asksUser: true);

    private FaultResult Populate(AddressRange range, AccessKind access, bool asksUser)
    {
        for (var address = range.Start; address < range.End;)
        {
            var kind = ResolveWithHelp(address, access, range.End, asksUser, out long advanced);
            if (kind > FaultKind.Spurious)
            {
                return new FaultResult(kind, address);
            }

            address += advanced;
        }

        return new FaultResult(FaultKind.Populated, range.Start);
    }

    /// <summary>
    /// Resolves a fault and gets, without any lock, what it needs from outside: memory by reclaiming, an answer from
    /// a user-fault handler.
    /// </summary>
    private FaultKind ResolveWithHelp(VirtualAddress address, AccessKind access, VirtualAddress end, bool asksUser, out long advanced)
    {
        while (true)
        {
            FaultKind kind;
            UserFaultKind question;
            IUserFaultHandler? handler;
            _lock.EnterRead(LockRank.Space);
            try
            {
                kind = Resolve(address, access, end, asksUser, Frame.None, out advanced, out handler, out question);
            }
            finally
            {
                _lock.ExitRead(LockRank.Space);
            }

            if (handler is not null)
            {
                if (!handler.Handle(this, address.PageStart, question, access))
                {
                    return FaultKind.BusError;
                }
            }
            else if (kind != FaultKind.OutOfMemory || !_memory.Reclaim())
            {
                return kind;
            }
        }
    }

    /// <param name="address">The address.</param>
    /// <param name="access">The access.</param>
    /// <param name="end">How far to go on, where a range is populated.</param>
    /// <param name="asksUser">Whether a user-fault handler is asked; not where it is the handler that resolves.</param>
    /// <param name="provided">The frame to use for a private page that does not exist yet; none to allocate one.</param>
    /// <param name="advanced">Bytes from the address on that are done with.</param>
    /// <param name="handler">Who must be asked before the fault can go on; null where it has ended.</param>
    /// <param name="question">What to ask.</param>
    private FaultKind Resolve(
        VirtualAddress address,
        AccessKind access,
        VirtualAddress end,
        bool asksUser,
        Frame provided,
        out long advanced,
        out IUserFaultHandler? handler,
        out UserFaultKind question)
    {
        advanced = 0;
        handler = null;
        question = default;
        if (_exited || _areas.Find(address) is not { } area)
        {
            return FaultKind.NotMapped;
        }

        if (!area.Allows(access))
        {
            return FaultKind.NotAllowed;
        }

        if (end > area.Range.End)
        {
            end = area.Range.End;
        }

        var fault = new FaultState(address, access, end, area, asksUser, provided);
        while (true)
        {
            fault.Sequence = area.File?.Tables.Invalidate.Sequence() ?? 0;
            var epoch = Store.Epochs.Enter();
            var step = Descend(ref fault);
            Store.Epochs.Exit(epoch);
            switch (step)
            {
                case FaultStep.Done:
                    advanced = fault.Advanced;
                    return fault.Kind;
                case FaultStep.Again:
                    Store.Count(TableEvent.FaultRetried);
                    break;
                case FaultStep.MustIndex:
                    IndexOverlapping(fault.MustIndex);
                    break;
                case FaultStep.MustCommit:
                    area.File!.CommitMetadata();
                    break;
                case FaultStep.MustAskUser:
                    handler = area.Traits.UserFaults;
                    question = fault.Question;
                    return FaultKind.Spurious;
                case FaultStep.MustAllocate:
                    var status = area.File!.Allocate((long)address.Value + area.Delta);
                    if (status != PageStatus.Found)
                    {
                        return FailureFor(status);
                    }

                    break;
                default:
                    throw new UnreachableException();
            }
        }
    }

    /// <summary>Goes down from the root and does what is to be done at the first entry that does not lead on.</summary>
    private FaultStep Descend(ref FaultState fault)
    {
        var table = Root;
        fault.Enter(null, fault.Area.FileStart, fault.Area.FileEnd);
        for (int level = Store.Format.Levels; ;)
        {
            int index = Level.Index(fault.Address.Value, level);
            var entry = Store.Read(table, index);
            if (entry.IsNone)
            {
                if (level <= Level.Pmd)
                {
                    var step = TryFillLeaf(ref fault, table, level, index);
                    if (step != FaultStep.GoDown)
                    {
                        return step;
                    }
                }

                var way = MakeWay(ref fault, table, level, index);
                if (way != FaultStep.GoDown)
                {
                    return way;
                }

                continue;
            }

            if (Store.Format.IsLeaf(entry, level))
            {
                return AtLeaf(ref fault, table, level, index, entry);
            }

            if (fault.Shared is null && Store.IsAttached(entry, level))
            {
                if (fault.CopiesOnWrite)
                {
                    // A store to a private mapping: this space leaves the file's table first.
                    var span = AddressRange.FromLength(fault.Address.AlignDown(Level.EntrySpan(level)), Level.EntrySpan(level));
                    if (!IsIndexed(span))
                    {
                        fault.MustIndex = span;
                        return FaultStep.MustIndex;
                    }

                    Store.Lock(table, level);
                    if (Store.Read(table, index) is var now && Store.Format.IsSlot(now, level) && Store.IsAttached(now, level))
                    {
                        _memory.Walker.Diverge(this, table, level, index);
                    }

                    Store.Unlock(table, level);
                    continue;
                }

                var child = Store.TableOf(entry, level);
                ref var record = ref Store.Memory.Record(child);
                fault.Enter(fault.Area.File!.Tables, record.WindowStart, record.WindowEnd);
            }

            table = Store.TableOf(entry, level);
            level--;
        }
    }

    private bool IsIndexed(AddressRange span)
    {
        foreach (var area in _areas.Overlapping(span))
        {
            if (area.File is not null && !area.IsIndexed)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Puts a slot into an empty entry: to the file's table where that is possible, to an own one otherwise.</summary>
    private FaultStep MakeWay(ref FaultState fault, Frame table, int level, int index)
    {
        int childLevel = level - 1;
        var start = fault.Address.AlignDown(Level.EntrySpan(level));
        var area = fault.Area;
        long windowStart = fault.WindowStart;
        long windowEnd = fault.WindowEnd;
        bool attach = fault.Shared is not null
            || (area.File is not null
                && !fault.CopiesOnWrite
                && _memory.MayShare(childLevel)
                && _areas.TryGetWindow(AddressRange.FromLength(start, Level.EntrySpan(level)), out _, out windowStart, out windowEnd));
        if (!attach)
        {
            return TryMakeChild(table, level, index, start, out _) ? FaultStep.GoDown : fault.Fail(FaultKind.OutOfMemory);
        }

        var key = TableKey.For(childLevel, (long)start.Value + area.Delta, windowStart, windowEnd, area.ClassFor(Store.Format));
        var shared = area.File!.Tables.Attach(key, make: true);
        if (shared.IsNone)
        {
            return fault.Fail(FaultKind.OutOfMemory);
        }

        // Another thread's store to this private mapping may have made the space leave the table meanwhile, and a
        // reclaim have freed it: then nobody would ever give up the slot.
        var rights = fault.Shared is not null ? Rights.All : area.FileRights(Store.Format);
        Store.Lock(table, level);
        bool dead = Store.IsDead(table);
        bool filled = !dead && Store.Read(table, index).IsNone;
        if (filled)
        {
            Store.Fill(table, level, index, Store.Format.MakeSlot(level, shared.Address, rights));
        }

        Store.Unlock(table, level);
        if (filled)
        {
            Store.Count(TableEvent.Attached);
            fault.Kind = FaultKind.Attached;
        }
        else
        {
            Store.Detach(shared);
        }

        return dead ? FaultStep.Again : FaultStep.GoDown;
    }

    /// <summary>Fills the empty entry with a leaf, if one belongs at this level.</summary>
    private FaultStep TryFillLeaf(ref FaultState fault, Frame table, int level, int index)
    {
        var area = fault.Area;
        if (MustAskUser(ref fault))
        {
            return FaultStep.MustAskUser;
        }

        if (area.File is not { } file)
        {
            return level == Level.Pte ? FillAnonymous(ref fault, table, index) : FaultStep.GoDown;
        }

        if (fault.CopiesOnWrite)
        {
            return level == Level.Pte ? FillCopy(ref fault, table, index, file) : FaultStep.GoDown;
        }

        long offset = (long)fault.Address.Value + area.Delta;
        var limits = level == Level.Pte
            ? new LeafLimits(Level.Pte, SmallPageReason.SmallTable, fault.WindowStart, fault.WindowEnd)
            : LimitsFor(area, fault.WindowStart, fault.WindowEnd);
        bool write = fault.Access == AccessKind.Write;
        var page = file.Find(offset, write, limits);
        if (page.Status != PageStatus.Found)
        {
            return page.Status == PageStatus.MustAllocate ? FaultStep.MustAllocate : fault.Fail(FailureFor(page.Status));
        }

        if (page.Level != level)
        {
            return FaultStep.GoDown;
        }

        // How many leaves: one for a fault, as many as the extent and the table have for a populated range.
        long leafSize = Level.EntrySpan(level);
        var start = fault.Address.AlignDown(leafSize);
        long wanted = Math.Min(Math.Min(page.Run, fault.End.AlignUp(leafSize) - start), (Level.Entries - index) * leafSize);
        int count = (int)Math.Max(1, Math.Min(wanted, fault.WindowEnd - page.Offset) / leafSize);

        var rights = fault.Shared is not null ? area.ClassFor(Store.Format).LeafRights : area.FileRights(Store.Format);
        if (!page.Writable)
        {
            rights &= ~Rights.Write;
        }

        if (fault.Shared is null && !area.IsIndexed)
        {
            fault.MustIndex = area.Range;
            return FaultStep.MustIndex;
        }

        if (write && MustCommit(area, file))
        {
            return FaultStep.MustCommit;
        }

        int filled = 0;
        Store.Lock(table, level);
        bool current = file.Tables.Invalidate.IsCurrent(fault.Sequence) && !Store.IsDead(table) && Store.Read(table, index).IsNone;
        bool noted = !current || !write || file.TryNoteWrite(page.Offset, count * leafSize);
        if (current && noted)
        {
            for (; filled < count && Store.Read(table, index + filled).IsNone; filled++)
            {
                var place = page.Address + (filled * leafSize);
                Store.Fill(table, level, index + filled, Store.Format.MakeLeaf(level, place, rights, dirty: write, protectionKey: area.Traits.ProtectionKey));
            }
        }

        Store.Unlock(table, level);
        if (!noted)
        {
            return fault.Fail(FaultKind.OutOfMemory);
        }

        if (!current)
        {
            return FaultStep.Again;
        }

        Store.Count(TableEvent.LeafPopulated, filled);
        return fault.Finish(FaultKind.Populated, start + (filled * leafSize));
    }

    private FaultStep FillAnonymous(ref FaultState fault, Frame table, int index)
    {
        var rights = Store.Format.Effective(fault.Area.Rights);
        bool write = fault.Access == AccessKind.Write;
        var frame = fault.Provided;
        bool own = write || !frame.IsNone;
        if (frame.IsNone)
        {
            frame = _memory.ZeroPage;
            if (write && !Store.Frames.TryAllocate(FrameKind.Anonymous, out frame))
            {
                return fault.Fail(FaultKind.OutOfMemory);
            }
        }

        var leaf = Store.Format.MakeLeaf(Level.Pte, frame.Address, own ? rights : rights & ~Rights.Write, dirty: own, protectionKey: fault.Area.Traits.ProtectionKey);
        return PutPrivateLeaf(ref fault, table, index, leaf, own ? frame : Frame.None);
    }

    private FaultStep FillCopy(ref FaultState fault, Frame table, int index, MappedFile file)
    {
        long offset = (long)fault.Address.Value + fault.Area.Delta;
        var limits = new LeafLimits(Level.Pte, SmallPageReason.PrivateWrite, fault.WindowStart, fault.WindowEnd);
        var page = file.Find(offset, write: false, limits);
        if (page.Status != PageStatus.Found)
        {
            return fault.Fail(FailureFor(page.Status));
        }

        // Truncation must find the copy.
        if (!fault.Area.IsIndexed)
        {
            fault.MustIndex = fault.Area.Range;
            return FaultStep.MustIndex;
        }

        var frame = fault.Provided;
        if (frame.IsNone && !TryCopyFrame(page.Address, out frame))
        {
            return fault.Fail(FaultKind.OutOfMemory);
        }

        var leaf = Store.Format.MakeLeaf(Level.Pte, frame.Address, Store.Format.Effective(fault.Area.Rights), dirty: true, protectionKey: fault.Area.Traits.ProtectionKey);
        return PutPrivateLeaf(ref fault, table, index, leaf, frame);
    }

    /// <summary>Puts a leaf of private memory into an empty entry of the space's own table of PTEs.</summary>
    private FaultStep PutPrivateLeaf(ref FaultState fault, Frame table, int index, Entry leaf, Frame anonymous)
    {
        Store.Lock(table, Level.Pte);
        bool put = Store.Read(table, index).IsNone && IsCurrent(fault);
        if (put)
        {
            if (!anonymous.IsNone)
            {
                Store.Memory.Record(anonymous).References = 1;
                Store.Memory.Record(table).AnonymousLeaves++;
            }

            Store.Fill(table, Level.Pte, index, leaf);
        }

        Store.Unlock(table, Level.Pte);
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

        return fault.Finish(anonymous.IsNone ? FaultKind.Populated : FaultKind.Copied, fault.Address.PageStart + Level.PageSize);
    }

    /// <summary>The entry is a leaf already: perhaps it only has to become writable, or be copied.</summary>
    private FaultStep AtLeaf(ref FaultState fault, Frame table, int level, int index, Entry leaf)
    {
        var next = fault.Address.AlignDown(Level.EntrySpan(level)) + Level.EntrySpan(level);
        if (fault.Access == AccessKind.Write && fault.AsksUser && Store.Format.IsMarked(leaf, level))
        {
            fault.Question = UserFaultKind.WriteProtect;
            return FaultStep.MustAskUser;
        }

        if (fault.Access != AccessKind.Write || (Store.Format.RightsOf(leaf, level) & Rights.Write) != 0)
        {
            return fault.Finish(fault.Kind == FaultKind.Attached ? FaultKind.Attached : FaultKind.Spurious, next);
        }

        if (!fault.Area.IsShared)
        {
            if (level > Level.Pte)
            {
                Store.Lock(table, level);
                if (Store.Format.IsLeaf(Store.Read(table, index), level))
                {
                    _memory.Walker.SplitLeaf(this, table, level, index);
                }

                Store.Unlock(table, level);
                return FaultStep.Again;
            }

            return CopyOnWrite(ref fault, table, index, leaf);
        }

        var target = Store.Format.TargetOf(leaf, level);
        if (target == _memory.ZeroPage.Address || fault.Area.File!.MustCopyToStore((long)fault.Address.Value + fault.Area.Delta))
        {
            return FaultStep.MustAllocate;
        }

        if (MustCommit(fault.Area, fault.Area.File!))
        {
            return FaultStep.MustCommit;
        }

        // The first store to a page of a file: noted before any processor can make it, and under the same lock, so
        // that a write-back either finds the right to store or leaves the note.
        long leafSize = Level.EntrySpan(level);
        long offset = ((long)fault.Address.Value + fault.Area.Delta) & -leafSize;
        var rights = fault.Shared is not null ? fault.Area.ClassFor(Store.Format).LeafRights : fault.Area.FileRights(Store.Format);
        Store.Lock(table, level);
        var now = Store.Read(table, index);
        bool same = Store.Format.IsLeaf(now, level) && Store.Format.TargetOf(now, level) == target && IsCurrent(fault) && !IsKept(fault, now, level);
        bool noted = !same || fault.Area.File!.TryNoteWrite(offset, leafSize);
        if (same && noted)
        {
            Store.WriteEnable(table, level, index, rights);
        }

        Store.Unlock(table, level);
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

    private FaultStep CopyOnWrite(ref FaultState fault, Frame table, int index, Entry leaf)
    {
        var rights = Store.Format.Effective(fault.Area.Rights);
        var target = Store.Format.TargetOf(leaf, Level.Pte);
        var shared = Store.AnonymousFrameOf(leaf, Level.Pte);

        // The last who refers to a frame keeps it. The count can fall meanwhile but not rise: only a fork of this
        // space raises it, and that excludes faults.
        bool keep = !shared.IsNone && Volatile.Read(ref Store.Memory.Record(shared).References) == 1;
        var copy = Frame.None;
        if (!keep
            && !(target == _memory.ZeroPage.Address
                ? Store.Frames.TryAllocate(FrameKind.Anonymous, out copy)
                : TryCopyFrame(target, out copy)))
        {
            return fault.Fail(FaultKind.OutOfMemory);
        }

        Store.Lock(table, Level.Pte);
        var now = Store.Read(table, index);
        bool same = Store.Format.IsLeaf(now, Level.Pte)
            && Store.Format.TargetOf(now, Level.Pte) == target
            && (Store.Format.RightsOf(now, Level.Pte) & Rights.Write) == 0
            && IsCurrent(fault)
            && !IsKept(fault, now, Level.Pte);
        if (same && keep)
        {
            Store.WriteEnable(table, Level.Pte, index, rights);
        }
        else if (same)
        {
            // Break before make: nobody may store to the copy while a processor still reads the original.
            Store.Take(table, Level.Pte, index);
            var gather = new FlushGather(Store, this);
            gather.Drop(AddressRange.FromLength(fault.Address.PageStart, Level.PageSize), tables: false);
            if (shared.IsNone)
            {
                Store.Memory.Record(table).AnonymousLeaves++;
            }
            else
            {
                gather.Release(shared);
            }

            gather.Finish();
            Store.Memory.Record(copy).References = 1;
            Store.Fill(table, Level.Pte, index, Store.Format.MakeLeaf(Level.Pte, copy.Address, rights, dirty: true, protectionKey: fault.Area.Traits.ProtectionKey));
        }

        Store.Unlock(table, Level.Pte);
        if (!same)
        {
            if (!copy.IsNone)
            {
                Store.Frames.Free(copy);
            }

            return FaultStep.Again;
        }

        Store.Count(keep ? TableEvent.LeafWriteEnabled : TableEvent.PageCopied);
        return fault.Finish(FaultKind.Copied, fault.Address.PageStart + Level.PageSize);
    }

    private bool TryCopyFrame(PhysicalAddress source, out Frame copy)
    {
        if (!Store.Frames.TryAllocate(FrameKind.Anonymous, zero: !Store.Memory.HasBytes(source), out copy))
        {
            return false;
        }

        if (Store.Memory.HasBytes(source))
        {
            Store.Memory.Bytes(source, Level.PageSize).CopyTo(Store.Memory.Bytes(copy.Address, Level.PageSize));
        }

        return true;
    }

    /// <summary>Whether the page is one that a user-fault handler of this space must be asked for.</summary>
    private static bool MustAskUser(ref FaultState fault)
    {
        var flags = fault.Area.Traits.Flags & (AreaFlags.UserMissing | AreaFlags.UserMinor);
        if (flags == 0 || !fault.AsksUser)
        {
            return false;
        }

        long offset = (long)fault.Address.Value + fault.Area.Delta;
        if (fault.Area.File is { } file && offset >= ((file.Size + Level.PageSize - 1) & -(long)Level.PageSize))
        {
            // Past the end nothing can be provided: a bus error, as without a handler.
            return false;
        }

        bool exists = fault.Area.File?.Locate(offset) is not null;
        fault.Question = exists ? UserFaultKind.Minor : UserFaultKind.Missing;
        return (flags & (exists ? AreaFlags.UserMinor : AreaFlags.UserMissing)) != 0;
    }

    /// <summary>Whether a leaf has been marked, meanwhile, as one whose stores a handler is asked for.</summary>
    private bool IsKept(in FaultState fault, Entry leaf, int level) => fault.AsksUser && Store.Format.IsMarked(leaf, level);

    /// <summary>Whether the file's metadata must be made durable before a page of the area may be written (MAP_SYNC).</summary>
    private static bool MustCommit(Area area, MappedFile file) =>
        (area.Traits.Flags & AreaFlags.Synchronous) != 0 && file.HasPendingMetadata;

    private static bool IsCurrent(in FaultState fault) =>
        fault.Area.File is not { } file || file.Tables.Invalidate.IsCurrent(fault.Sequence);

    private LeafLimits LimitsFor(Area area, long windowStart, long windowEnd)
    {
        if (!_memory.AllowLargePages)
        {
            return new LeafLimits(Level.Pte, SmallPageReason.Disabled, windowStart, windowEnd);
        }

        bool congruent = (area.Delta & (Level.EntrySpan(Level.Pmd) - 1)) == 0;
        return congruent
            ? new LeafLimits(Level.Pmd, SmallPageReason.None, windowStart, windowEnd)
            : new LeafLimits(Level.Pte, SmallPageReason.NotCongruent, windowStart, windowEnd);
    }

    private static FaultKind FailureFor(PageStatus status) => status switch
    {
        PageStatus.OutOfMemory => FaultKind.OutOfMemory,
        PageStatus.PastEnd or PageStatus.OutOfSpace => FaultKind.BusError,
        PageStatus.Poisoned => FaultKind.HardwarePoison,
        _ => throw new UnreachableException(),
    };

    /// <summary>What one attempt to resolve a fault came to.</summary>
    private enum FaultStep
    {
        /// <summary>The fault has its outcome.</summary>
        Done,

        /// <summary>No leaf belongs at this level.</summary>
        GoDown,

        /// <summary>Something changed meanwhile.</summary>
        Again,

        /// <summary>The area must stand in its file's index first.</summary>
        MustIndex,

        /// <summary>The file must be given storage first.</summary>
        MustAllocate,

        /// <summary>The file's metadata must be made durable first.</summary>
        MustCommit,

        /// <summary>A user-fault handler must be asked first.</summary>
        MustAskUser,
    }

    /// <summary>One fault on its way.</summary>
    private struct FaultState(VirtualAddress address, AccessKind access, VirtualAddress end, Area area, bool asksUser, Frame provided)
    {
        public readonly VirtualAddress Address = address;
        public readonly AccessKind Access = access;

        /// <summary>How far to go on, where a whole range is populated.</summary>
        public readonly VirtualAddress End = end;

        public readonly Area Area = area;

        /// <summary>Whether a user-fault handler is asked.</summary>
        public readonly bool AsksUser = asksUser;

        /// <summary>The frame for a private page that does not exist yet; none to allocate one.</summary>
        public readonly Frame Provided = provided;

        /// <summary>What the handler must be asked for.</summary>
        public UserFaultKind Question;

        /// <summary>The file's sequence when the attempt began.</summary>
        public long Sequence;

        /// <summary>The file in whose tables the descent is; null in the space's own.</summary>
        public FileTables? Shared;

        /// <summary>What may be shown of the file where the descent is.</summary>
        public long WindowStart;

        /// <summary>See <see cref="WindowStart"/>.</summary>
        public long WindowEnd;

        /// <summary>The outcome; while under way, whether something was attached.</summary>
        public FaultKind Kind = FaultKind.Spurious;

        /// <summary>The addresses whose areas must stand in their file's index before the fault can go on.</summary>
        public AddressRange MustIndex;

        /// <summary>Bytes from the address on that are done with.</summary>
        public long Advanced;

        public readonly bool CopiesOnWrite => Access == AccessKind.Write && !Area.IsShared;

        public void Enter(FileTables? shared, long windowStart, long windowEnd)
        {
            Shared = shared;
            WindowStart = windowStart;
            WindowEnd = windowEnd;
        }

        public FaultStep Finish(FaultKind kind, VirtualAddress next)
        {
            Kind = kind;
            Advanced = next - Address;
            return FaultStep.Done;
        }

        public FaultStep Fail(FaultKind kind)
        {
            Kind = kind;
            return FaultStep.Done;
        }
    }
}
