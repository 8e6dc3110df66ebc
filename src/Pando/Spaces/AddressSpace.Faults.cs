using Pando.Concurrency;
using System.Diagnostics;
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
    private const int MostQuestions = 10_000;

    // So often others change what a fault has seen before it sees to it that the file's layout stays as it is.
    private const int MostRetries = 16;

    /// <summary>
    /// Resolves a fault: what the processor calls when an access finds no translation, or one that does not allow it.
    /// Allocates no managed memory on the ordinary ways.
    /// </summary>
    /// <param name="address">The address.</param>
    /// <param name="access">The access.</param>
    /// <param name="keys">
    /// The protection-key rights of the thread that accesses: what they deny is not populated first (Linux: access_error). Null: of a
    /// thread that denies itself nothing but <see cref="ExecuteOnlyKey"/>.
    /// </param>
    /// <returns>The outcome; <see cref="FaultKind.NotMapped"/> in a space that has ended, since a processor may come late.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The access is none.</exception>
    public FaultResult Fault(VirtualAddress address, AccessKind access, ProtectionKeyRights? keys = null)
    {
        RequireKnown(access);
        var kind = ResolveWithHelp(address, access, address + 1, keys, out _);
        Store.Count(kind switch
        {
            FaultKind.Populated => TableEvent.FaultPopulated,
            FaultKind.Attached => TableEvent.FaultAttached,
            FaultKind.WriteEnabled => TableEvent.FaultWriteEnabled,
            FaultKind.Copied => TableEvent.FaultCopied,
            FaultKind.Marked => TableEvent.FaultMarked,
            FaultKind.Spurious => TableEvent.FaultSpurious,
            _ => TableEvent.FaultFailed,
        });
        return new FaultResult(kind, address);
    }

    /// <summary>
    /// Faults in every page of a range, as if each were accessed (MADV_POPULATE_READ, MADV_POPULATE_WRITE).
    /// </summary>
    /// <returns>
    /// The outcome for the first address that could not be populated (what lies before it has been); a resolved one if all could.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">The access is none.</exception>
    public FaultResult Populate(AddressRange range, AccessKind access) => Populate(range, access, asks: true);

    private FaultResult Populate(AddressRange range, AccessKind access, bool asks)
    {
        RequireKnown(access);
        for (var address = range.Start; address < range.End;)
        {
            var kind = ResolveWithHelp(address, access, range.End, keys: null, out long advanced, asks);
            if (kind > FaultKind.Spurious)
            {
                return new FaultResult(kind, address);
            }

            address += advanced;
        }

        return new FaultResult(FaultKind.Populated, range.Start);
    }

    private static void RequireKnown(AccessKind access)
    {
        if (access is < AccessKind.Read or > AccessKind.Execute)
        {
            throw new ArgumentOutOfRangeException(nameof(access), access, "An access reads, writes or executes.");
        }
    }

    /// <summary>
    /// Resolves a fault and gets, without any lock, what it needs from outside: memory by reclaiming, an answer from
    /// a user-fault handler. A handler that says so often, in a row, that it has resolved what it has not is taken to refuse;
    /// so is every handler where none may be asked.
    /// </summary>
    private FaultKind ResolveWithHelp(VirtualAddress address, AccessKind access, VirtualAddress end, ProtectionKeyRights? keys, out long advanced, bool asks = true)
    {
        var shortage = new MemoryShortage(_memory);
        for (int asked = 0; ;)
        {
            FaultKind kind;
            Question? question;
            using (_lock.Read())
            {
                kind = Resolve(address, access, end, FaultPurpose.Access, Frame.None, out advanced, out question, keys ?? KeysOfOperations);
            }

            if (question is { } open)
            {
                // It may take as long as it likes, and use everything.
                LockOrder.AssertNoneHeld();
                Epochs.AssertOutside();

                // Others may undo what a handler has resolved, but not this many times in a row: it resolves nothing.
                kind = ++asked > MostQuestions ? FaultKind.BusError
                    : open.Provider is { } file ? Provide(file, open.Offset)
                    : asks && open.Handler!.Handle(this, open.Page, open.Kind, access) ? FaultKind.Spurious
                    : FaultKind.BusError;
                if (kind == FaultKind.Spurious)
                {
                    continue;
                }
            }

            if (kind != FaultKind.OutOfMemory || !shortage.MakesRoom())
            {
                return kind;
            }
        }
    }

    /// <summary>Has a file's page provided. With nothing locked; Spurious where the fault may look again.</summary>
    private static FaultKind Provide(MappedFile file, long offset)
    {
        // Whoever mapped it may have unmapped it since: the fault will see.
        using var use = FileUse.Try(file, out bool ended);
        var status = ended ? PageStatus.Found : file.ProvidePage(offset);
        return status == PageStatus.Found ? FaultKind.Spurious : FailureFor(status);
    }

    /// <param name="address">The address.</param>
    /// <param name="access">The access.</param>
    /// <param name="end">How far to go on, where a range is populated.</param>
    /// <param name="purpose">What it is done for.</param>
    /// <param name="provided">The frame of a private page that a user-fault handler provides.</param>
    /// <param name="advanced">Bytes from the address on that are done with: more than 0 where the fault is resolved and nobody must be asked.</param>
    /// <param name="question">What a user-fault handler, or who provides the file's pages, must be asked before the fault can go on; null where it has ended.</param>
    /// <param name="keys">The protection-key rights of who accesses; a user-fault handler's own operations ask none.</param>
    private FaultKind Resolve(
        VirtualAddress address,
        AccessKind access,
        VirtualAddress end,
        FaultPurpose purpose,
        Frame provided,
        out long advanced,
        out Question? question,
        ProtectionKeyRights keys = default)
    {
        advanced = 0;
        question = null;
        if (_exited || _areas.Find(address) is not { } area)
        {
            return FaultKind.NotMapped;
        }

        // The key first: also a store that the rights deny is told so (Linux: bad_area_access_from_pkeys).
        if (keys.Denies(area.Traits.ProtectionKey, access))
        {
            return FaultKind.DeniedByKey;
        }

        if (purpose == FaultPurpose.Access && !area.Allows(access, Store.Format))
        {
            return FaultKind.NotAllowed;
        }

        if (end > area.Range.End)
        {
            end = area.Range.End;
        }

        var fault = new FaultState(address, access, end, area, purpose, provided);
        int commits = 0;
        for (int retries = 0; ; retries++)
        {
            FaultStep step;
            if ((retries > MostRetries || commits > 1) && area.File is { } file)
            {
                // Its layout is changed in many pieces, say; or others change the metadata each time they are durable.
                using var held = file.Tables.Invalidate.Hold();
                step = TryOnce(ref fault);
                if (step == FaultStep.MustCommit && commits > 0 && file.CommitMetadata() == Errno.None)
                {
                    // The page has been written back before.
                    step = TryOnce(ref fault);
                }
            }
            else
            {
                step = TryOnce(ref fault);
            }

            switch (step)
            {
                case FaultStep.Done:
                    advanced = fault.Advanced;
                    Debug.Assert(fault.Kind > FaultKind.Spurious || advanced > 0, "What is resolved is done with.");
                    return fault.Kind;
                case FaultStep.Again:
                    Store.Count(TableEvent.FaultRetried);
                    break;
                case FaultStep.MustCommit:
                    // Linux: dax_finish_sync_fault.
                    commits++;
                    if (area.Opened!.WriteBackMapped(fault.Commit, fault.CommitLength) != Errno.None)
                    {
                        return FaultKind.BusError;
                    }

                    break;
                case FaultStep.MustAskUser:
                    question = new Question(area.Traits.UserFaults!, fault.Question, address.AlignDown(area.File?.MappingAlignment ?? _geometry.PageSize));
                    return FaultKind.Spurious;
                case FaultStep.MustProvide:
                    question = new Question(null, default, default, area.File, (long)address.Value + area.Delta);
                    return FaultKind.Spurious;
                case FaultStep.MustGiveStorage:
                    var status = area.File!.GiveStorage((long)address.Value + area.Delta);
                    if (status != PageStatus.Found)
                    {
                        return FailureFor(status);
                    }

                    break;
                case FaultStep.MustReadmit:
                    area.File!.Readmit((long)address.Value + area.Delta);
                    break;
                default:
                    throw new UnreachableException();
            }
        }
    }

    private FaultStep TryOnce(ref FaultState fault)
    {
        fault.Sequence = fault.Area.File?.Tables.Invalidate.Sequence() ?? 0;
        using var epoch = Store.Epochs.Enter();
        return Descend(ref fault);
    }

    /// <summary>Goes down from the root and does what is to be done at the first entry that does not lead on.</summary>
    private FaultStep Descend(ref FaultState fault)
    {
        var table = Root;
        fault.Enter(null, fault.Area.FileStart, fault.Area.FileEnd);
        for (int level = _geometry.Levels; ;)
        {
            int index = _geometry.Index(fault.Address.Value, level);
            var entry = Store.Read(table, index);
            if (entry.IsNone)
            {
                if (level <= _highestLeafLevel)
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

            if (fault.InTablesOf is null && _tables.LeadsToFile(entry, level))
            {
                if (fault.CopiesOnWrite)
                {
                    // A store to a private mapping: this space leaves the file's table first.
                    _tables.Leave(table, level, index);
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

    /// <summary>Puts a slot into an empty entry: to the file's table where that is possible, to an own one otherwise.</summary>
    private FaultStep MakeWay(ref FaultState fault, Frame table, int level, int index)
    {
        int childLevel = level - 1;
        var start = fault.Address.AlignDown(_geometry.EntrySpan(level));
        var area = fault.Area;
        long windowStart = fault.WindowStart;
        long windowEnd = fault.WindowEnd;
        bool attach = fault.InTablesOf is not null
            || (area.File is not null
                && !fault.CopiesOnWrite
                && _memory.MayShare(childLevel)
                && _areas.TryGetWindow(AddressRange.FromLength(start, _geometry.EntrySpan(level)), out _, out windowStart, out windowEnd));
        if (!attach)
        {
            return _tables.TryMakeChild(table, level, index, start, out _) ? FaultStep.GoDown : fault.Fail(FaultKind.OutOfMemory);
        }

        var key = TableKey.For(_geometry, childLevel, (long)start.Value + area.Delta, windowStart, windowEnd, area.ClassFor(Store.Format));
        var shared = area.File!.Tables.Attach(key, make: true);
        if (shared.IsNone)
        {
            return fault.Fail(FaultKind.OutOfMemory);
        }

        // Another thread's store to this private mapping may have made the space leave the table meanwhile, and a
        // reclaim have freed it: then nobody would ever give up the slot.
        var rights = fault.InTablesOf is not null ? Rights.All : area.FileRights(Store.Format);
        bool dead;
        bool filled;
        using (Store.Lock(table, level))
        {
            dead = Store.IsDead(table);
            filled = !dead && Store.Read(table, index).IsNone;
            if (filled)
            {
                Store.Fill(table, level, index, Store.Format.MakeSlot(level, Store.Memory.AddressOf(shared), rights));
            }
        }

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

    /// <summary>What a fault is resolved for.</summary>
    private enum FaultPurpose
    {
        /// <summary>An access, or populating as if by one: what a user's handler is to be asked for, it is asked.</summary>
        Access,

        /// <summary>A handler shows what the file has: whatever the rights, without asking, and nothing that the file has not.</summary>
        Show,

        /// <summary>A handler puts a frame where a private page does not exist yet: whatever the rights, without asking.</summary>
        Provide,
    }

    /// <summary>What a user-fault handler is to be asked; or a file's provider, for a page.</summary>
    /// <param name="Handler">The handler.</param>
    /// <param name="Kind">What for.</param>
    /// <param name="Page">The start of the page.</param>
    /// <param name="Provider">The file; then the rest says nothing.</param>
    /// <param name="Offset">The page's offset in that file.</param>
    private readonly record struct Question(IUserFaultHandler? Handler, UserFaultKind Kind, VirtualAddress Page, MappedFile? Provider = null, long Offset = 0);

    /// <summary>What one attempt to resolve a fault came to.</summary>
    private enum FaultStep
    {
        /// <summary>The fault has its outcome.</summary>
        Done,

        /// <summary>No leaf belongs at this level.</summary>
        GoDown,

        /// <summary>Something changed meanwhile.</summary>
        Again,

        /// <summary>The file must be given storage first.</summary>
        MustGiveStorage,

        /// <summary>The file must be told, with nothing locked, that a leaf comes back where a change takes leaves away.</summary>
        MustReadmit,

        /// <summary>Whoever provides the file's pages must be asked first.</summary>
        MustProvide,

        /// <summary>What was stored to the page must be made durable first, and the metadata that lead to it.</summary>
        MustCommit,

        /// <summary>A user-fault handler must be asked first.</summary>
        MustAskUser,
    }

    /// <summary>One fault on its way.</summary>
    private struct FaultState(VirtualAddress address, AccessKind access, VirtualAddress end, Area area, FaultPurpose purpose, Frame provided)
    {
        public readonly VirtualAddress Address = address;
        public readonly AccessKind Access = access;

        /// <summary>How far to go on, where a whole range is populated.</summary>
        public readonly VirtualAddress End = end;

        public readonly Area Area = area;

        public readonly FaultPurpose Purpose = purpose;

        /// <summary>The frame that <see cref="FaultPurpose.Provide"/> puts.</summary>
        public readonly Frame Provided = provided;

        /// <summary>What the handler must be asked for.</summary>
        public UserFaultKind Question;

        /// <summary>Whether a memory file makes the page if it is not there: where nobody has to be asked, or it has been seen that nobody has to be.</summary>
        public bool Makes = purpose == FaultPurpose.Access && (area.Traits.Flags & (AreaFlags.UserMissing | AreaFlags.UserMinor)) == 0;

        /// <summary>The file's sequence when the attempt began.</summary>
        public long Sequence;

        /// <summary>The file in whose tables the descent is; null in the space's own.</summary>
        public FileTables? InTablesOf;

        /// <summary>What may be shown of the file where the descent is.</summary>
        public long WindowStart;

        /// <summary>See <see cref="WindowStart"/>.</summary>
        public long WindowEnd;

        /// <summary>The outcome; while under way, whether something was attached.</summary>
        public FaultKind Kind = FaultKind.Spurious;

        /// <summary>Where in the file the page lies that must be durable before the fault can go on.</summary>
        public long Commit;

        /// <summary>The page's length.</summary>
        public long CommitLength;

        /// <summary>Bytes from the address on that are done with.</summary>
        public long Advanced;

        public readonly bool CopiesOnWrite => Access == AccessKind.Write && !Area.IsShared;

        /// <summary>Whether a handler is asked for faults of a kind.</summary>
        public readonly bool Asks(AreaFlags flag) => Purpose == FaultPurpose.Access && (Area.Traits.Flags & flag) != 0;

        /// <summary>Goes on when a handler has been asked.</summary>
        public FaultStep Ask(UserFaultKind question)
        {
            Question = question;
            return FaultStep.MustAskUser;
        }

        public void Enter(FileTables? file, long windowStart, long windowEnd)
        {
            InTablesOf = file;
            WindowStart = windowStart;
            WindowEnd = windowEnd;
        }

        public FaultStep Finish(FaultKind kind, VirtualAddress next)
        {
            Kind = kind;
            Advanced = next - Address;
            return FaultStep.Done;
        }

        public FaultStep CommitFirst(long offset, long length)
        {
            Commit = offset;
            CommitLength = length;
            return FaultStep.MustCommit;
        }

        public FaultStep Fail(FaultKind kind)
        {
            Kind = kind;
            return FaultStep.Done;
        }
    }
}
