using System.Diagnostics;
using System.Runtime.CompilerServices;
using Pando.Concurrency;
using Pando.Costs;
using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// All page tables of a machine: makes and frees them, and is the one place that reads and writes their entries.
/// </summary>
/// <remarks>
/// An entry is written under its table's lock, except in a table that nobody else can know yet. A read takes no
/// lock, but the reader is inside an epoch or holds a lock that keeps the table. Processors set accessed and dirty
/// bits at any moment, so that an entry that may be present is taken out by an exchange.
/// </remarks>
internal sealed class TableStore
{
    private int _openGathers;
    private ITableWatcher? _watcher;

    public TableStore(PhysicalMemory memory, EntryFormat format, bool marksByFault = false, int largestLeafLevel = Level.Pmd)
    {
        Memory = memory;
        Format = format;
        Geometry = memory.Geometry;
        MarksByFault = marksByFault;
        LargestLeafLevel = Geometry.LeafLevelAtMost(largestLeafLevel);
        Frames = new FrameAllocator(memory, Omissions);
        Epochs = new Epochs();
        Retired = new RetiredFrames(memory, Frames, Epochs);
        Events = new StripedCounter(Enum.GetValues<TableEvent>().Length);
        Shootdown = new Shootdown(Events, Omissions);
        Parts = new TableParts(this);
    }

    /// <summary>What a test has left out.</summary>
    public Omissions Omissions { get; } = new();

    public PhysicalMemory Memory { get; }

    public EntryFormat Format { get; }

    /// <summary>The shape of the tables.</summary>
    public TableGeometry Geometry { get; }

    /// <summary>The highest level at which leaves are made.</summary>
    public int LargestLeafLevel { get; }

    /// <summary>Whether accessed and dirty marks are set by the fault handler, and not by the processors.</summary>
    public bool MarksByFault { get; }

    public FrameAllocator Frames { get; }

    public Epochs Epochs { get; }

    public RetiredFrames Retired { get; }

    public OwnerRegistry Owners { get; } = new();

    public Shootdown Shootdown { get; }

    public StripedCounter Events { get; }

    /// <summary>Which parts of files the tables of spaces may show.</summary>
    public TableParts Parts { get; }

    /// <summary>Gathers that were begun and not finished. Zero whenever no operation is under way.</summary>
    public int OpenGathers => Volatile.Read(ref _openGathers);

    public void Count(TableEvent what, long times = 1) => Events.Add((int)what, times);

    internal void CountGather(int change) => Interlocked.Add(ref _openGathers, change);

    /// <summary>From now on the watcher is told which tables change. At rest, before processors run; one per machine.</summary>
    public void Watch(ITableWatcher watcher)
    {
        if (_watcher is not null)
        {
            throw new InvalidOperationException("The tables of a machine have one watcher, and there is one already.");
        }

        _watcher = watcher;
        Retired.BeforeReuse = watcher.BeforeReuse;
    }

    // ---- Life ----

    /// <summary>Makes an empty table. False where memory is out.</summary>
    public bool TryCreate(TableOwner owner, int level, long origin, out Frame table)
    {
        var kind = owner is SharedTableOwner ? FrameKind.FileTable : FrameKind.SpaceTable;
        if (!Frames.TryAllocate(kind, out table))
        {
            return false;
        }

        Adopt(table, owner, level, origin);
        return true;
    }

    /// <summary>Makes a frame that was allocated as a table, and is empty, a table of an owner.</summary>
    public void Adopt(Frame table, TableOwner owner, int level, long origin)
    {
        ref var record = ref Memory.Record(table);
        record.Level = (byte)level;
        record.Owner = owner.Id;
        record.Origin = origin;
        owner.CountTable(level, 1);
        Count(TableEvent.TableCreated);
    }

    /// <summary>Frees a table that was never put anywhere.</summary>
    public void FreeUnseen(Frame table)
    {
        Debug.Assert(Memory.Record(table).Part == 0, "A table that a file finds has been seen.");
        Uncount(table);
        Frames.Free(table);
    }

    /// <summary>Frees a table that nothing points at any more, once nobody can be looking at it. Flushing came before.</summary>
    public void RetireTable(Frame table)
    {
        _watcher?.Changed(table);
        Parts.Remove(table);
        Uncount(table);
        Retire(table);
    }

    /// <summary>Frees a frame once nobody can be looking at it. Flushing came before.</summary>
    public void Retire(Frame frame)
    {
        Schedule.Reach(SchedulePoint.AttachCount, frame.Number);
        int count = 1 << Memory.Record(frame).Order;
        for (int i = 0; i < count; i++)
        {
            Memory.Record(new Frame(frame.Number + i)).Kind = FrameKind.Retired;
        }

        Retired.Add(frame);
    }

    /// <summary>One leaf less refers to an anonymous frame; with the last the frame is freed. Flushing came before.</summary>
    public void ReleaseAnonymous(Frame frame)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        if (Interlocked.Decrement(ref Memory.Record(frame).References) == 0)
        {
            Retire(frame);
        }
    }

    private void Uncount(Frame table)
    {
        ref var record = ref Memory.Record(table);
        Owners[record.Owner]?.CountTable(record.Level, -1);
        Count(TableEvent.TableFreed);
    }

    // ---- Locks ----

    /// <summary>Holds a table's lock until the scope ends.</summary>
    public WordLock.Scope Lock(Frame table, int level) => WordLock.Hold(ref Memory.Record(table).Lock, RankOf(level), table.Number);

    private static LockRank RankOf(int level) => LockRank.Table1 - (level - 1);

    // ---- Entries ----

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Entry Read(Frame table, int index)
    {
        Schedule.Reach(SchedulePoint.EntryRead, table.Word(index));
        Cost.Count(CostKind.Entry);
        return new Entry(Volatile.Read(ref Memory.EntryAt(table, index)));
    }

    /// <summary>Writes an entry where there is none. Under the table's lock.</summary>
    public void Fill(Frame table, int level, int index, Entry entry)
    {
        Debug.Assert(LockOrder.Holds(RankOf(level)), "An entry is written under its table's lock.");
        Debug.Assert(Memory.EntryAt(table, index) == 0, "Only an empty entry is filled.");
        Schedule.Reach(SchedulePoint.EntryWrite, table.Word(index));
        Volatile.Write(ref Memory.EntryAt(table, index), entry.Raw);
    }

    /// <summary>Writes an entry of a table that nobody else can know yet.</summary>
    public void Prepare(Frame table, int index, Entry entry) => Memory.EntryAt(table, index) = entry.Raw;

    /// <summary>Takes an entry out and leaves nothing. Under the table's lock.</summary>
    public Entry Take(Frame table, int level, int index)
    {
        Debug.Assert(LockOrder.Holds(RankOf(level)), "An entry is written under its table's lock.");
        Schedule.Reach(SchedulePoint.EntryWrite, table.Word(index));
        var old = new Entry(Interlocked.Exchange(ref Memory.EntryAt(table, index), 0));
        _watcher?.Changed(table);
        return old;
    }

    /// <summary>
    /// Makes a present leaf writable and dirty, for a store that is about to follow. Under the table's lock. No flush:
    /// a processor that still knows the narrower leaf faults once more and looks again (SDM vol. 3A, 4.10.4.3).
    /// </summary>
    public void WriteEnable(Frame table, int level, int index, Rights rights)
    {
        Debug.Assert(LockOrder.Holds(RankOf(level)), "An entry is written under its table's lock.");
        Schedule.Reach(SchedulePoint.EntryWrite, table.Word(index));
        ref ulong word = ref Memory.EntryAt(table, index);
        while (true)
        {
            ulong before = Volatile.Read(ref word);
            ulong after = Format.Touched(Format.WithRights(new Entry(before), level, rights), level, dirty: true).Raw;
            if (Interlocked.CompareExchange(ref word, after, before) == before)
            {
                return;
            }
        }
    }

    /// <summary>
    /// Gives a present leaf another protection key, and keeps the marks that a processor sets meanwhile. Under the table's lock; the
    /// caller flushes.
    /// </summary>
    public void SetProtectionKey(Frame table, int level, int index, int key)
    {
        Debug.Assert(LockOrder.Holds(RankOf(level)), "An entry is written under its table's lock.");
        Schedule.Reach(SchedulePoint.EntryWrite, table.Word(index));
        ref ulong word = ref Memory.EntryAt(table, index);
        while (true)
        {
            ulong before = Volatile.Read(ref word);
            if (Interlocked.CompareExchange(ref word, Format.WithProtectionKey(new Entry(before), level, key).Raw, before) == before)
            {
                _watcher?.Changed(table);
                return;
            }
        }
    }

    /// <summary>Marks a present leaf as used, as a processor would that does so itself. Under the table's lock.</summary>
    public void Mark(Frame table, int level, int index, bool dirty)
    {
        Debug.Assert(LockOrder.Holds(RankOf(level)), "An entry is written under its table's lock.");
        Schedule.Reach(SchedulePoint.EntryWrite, table.Word(index));
        ref ulong word = ref Memory.EntryAt(table, index);
        ulong before;
        do
        {
            before = Volatile.Read(ref word);
        }
        while (Interlocked.CompareExchange(ref word, Format.Touched(new Entry(before), level, dirty).Raw, before) != before);
    }

    /// <summary>
    /// Puts an entry that says the same with other marks in the place of one, as a processor does: without a lock. The caller keeps the
    /// table from being used for anything else.
    /// </summary>
    /// <returns>False where another entry stands there.</returns>
    public bool TryReplaceMarks(Frame table, int index, Entry before, Entry after)
    {
        Schedule.Reach(SchedulePoint.EntryWrite, table.Word(index));
        return Interlocked.CompareExchange(ref Memory.EntryAt(table, index), after.Raw, before.Raw) == before.Raw;
    }

    /// <summary>Makes a present leaf read-only and clean. Under the table's lock; the caller flushes.</summary>
    public void Clean(Frame table, int level, int index)
    {
        Debug.Assert(LockOrder.Holds(RankOf(level)), "An entry is written under its table's lock.");
        Schedule.Reach(SchedulePoint.EntryWrite, table.Word(index));
        ref ulong word = ref Memory.EntryAt(table, index);
        while (true)
        {
            var before = new Entry(Volatile.Read(ref word));
            var after = Format.Cleaned(Format.WithRights(before, level, Format.RightsOf(before, level) & ~Rights.Write), level);
            if (Interlocked.CompareExchange(ref word, after.Raw, before.Raw) == before.Raw)
            {
                _watcher?.Changed(table);
                return;
            }
        }
    }

    /// <summary>Replaces the rights of a present entry. Under the table's lock.</summary>
    public void SetRights(Frame table, int level, int index, Rights rights)
    {
        Debug.Assert(LockOrder.Holds(RankOf(level)), "An entry is written under its table's lock.");
        Schedule.Reach(SchedulePoint.EntryWrite, table.Word(index));
        ref ulong word = ref Memory.EntryAt(table, index);
        while (true)
        {
            ulong before = Volatile.Read(ref word);
            ulong after = Format.WithRights(new Entry(before), level, rights).Raw;
            if (Interlocked.CompareExchange(ref word, after, before) == before)
            {
                if ((Format.RightsOf(new Entry(before), level) & ~rights) != 0)
                {
                    _watcher?.Changed(table);
                }

                return;
            }
        }
    }

    /// <summary>The table that a slot points at.</summary>
    public Frame TableOf(Entry slot, int level) => Memory.FrameAt(Format.TargetOf(slot, level));

    /// <summary>
    /// Whether a slot points at a file's table. The caller has read the slot inside an epoch. Where another thread
    /// has taken it out since, the file's table may be retired already; it has not become the space's by that. (A
    /// table of a space is retired only under the space's lock, which excludes those who ask.)
    /// </summary>
    public bool IsAttached(Entry slot, int level)
    {
        var table = TableOf(slot, level);
        Schedule.Reach(SchedulePoint.AttachCount, table.Number);
        return Memory.Record(table).Kind != FrameKind.SpaceTable;
    }

    /// <summary>Whether an address lies in the page of zeroes.</summary>
    public bool IsZeroPage(PhysicalAddress address) =>
        Memory.IsRam(address) && Memory.Record(Memory.FrameAt(address)).Kind == FrameKind.Zero;

    /// <summary>
    /// The anonymous frame that a leaf shows, or none. The leaf says so itself: the frame behind a leaf of a file may have been
    /// given up, and be private memory of somebody else by now.
    /// </summary>
    public Frame AnonymousFrameOf(Entry leaf, int level) =>
        Format.IsAnonymous(leaf, level) ? Memory.FrameAt(Format.TargetOf(leaf, level)) : Frame.None;

    /// <summary>Makes a leaf that shows an anonymous frame. It stands for one of the frame's references.</summary>
    public Entry MakeAnonymousLeaf(Frame frame, Rights rights, bool dirty, int protectionKey) =>
        Format.AsAnonymous(Format.MakeLeaf(Level.Pte, Memory.AddressOf(frame), rights, dirty, protectionKey: protectionKey), Level.Pte);

    // ---- Attach counts ----

    /// <summary>
    /// Counts one more slot that points at a file's table, before the slot does. False where the table is dying; it
    /// may be asked only of a table that cannot be reused meanwhile (inside an epoch).
    /// </summary>
    public bool TryAttach(Frame table)
    {
        Schedule.Reach(SchedulePoint.AttachCount, table.Number);
        ref int count = ref Memory.Record(table).AttachCount;
        if (Interlocked.Increment(ref count) > 0)
        {
            return true;
        }

        // The count of a dead table is far below zero; take the step back so that it stays there.
        Interlocked.Decrement(ref count);
        return false;
    }

    /// <summary>
    /// Counts one slot less: after the slot has been changed and, where a processor may have used it, flushed.
    /// </summary>
    public void Detach(Frame table)
    {
        Schedule.Reach(SchedulePoint.AttachCount, table.Number);
        int left = Interlocked.Decrement(ref Memory.Record(table).AttachCount);
        Debug.Assert(left >= 0, "A table is detached once for every time it was attached.");
    }

    /// <summary>
    /// Whether a file's table has been killed. Asked under the table's lock: whoever kills it takes that lock
    /// afterwards, before he gives up what the table leads to.
    /// </summary>
    public bool IsDead(Frame table)
    {
        Schedule.Reach(SchedulePoint.AttachCount, table.Number);
        return Volatile.Read(ref Memory.Record(table).AttachCount) < 0 && !Schedule.LeavesOut(ProtocolPart.DeadCheck);
    }

    /// <summary>Marks a table that no slot points at as one that may never be attached again.</summary>
    /// <returns>False where a slot points at it, or somebody else has marked it.</returns>
    public bool TryKill(Frame table)
    {
        Schedule.Reach(SchedulePoint.AttachCount, table.Number);
        return Interlocked.CompareExchange(ref Memory.Record(table).AttachCount, FrameRecord.Dead, 0) == 0;
    }
}
