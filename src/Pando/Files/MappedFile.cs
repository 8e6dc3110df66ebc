using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// Something that address spaces can map: a file on a memory device (<see cref="DaxFile"/>) or in RAM
/// (<see cref="MemoryFile"/>). It owns the page tables through which it is shown.
/// </summary>
/// <remarks>
/// <para>
/// A file lives as long as somebody has it open or maps it. <see cref="Dispose"/> closes it; what it holds is given
/// back when the last mapping is gone.
/// </para>
/// <para>
/// All members are safe for threads. An operation that fails changes nothing. What an operation took away is reached
/// by no process any more when it returns, whatever their processors had cached.
/// </para>
/// </remarks>
public abstract class MappedFile : IDisposable
{
    // Mappings, plus one while the file is open.
    private int _users = 1;
    private int _closed;
    private readonly SleepLock _writeBackLock = new(LockRank.WriteBack);

    private protected MappedFile(TableStore store, string name, long size)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, long.MaxValue / 4);
        Store = store;
        Name = name;
        Size = size;
        Tables = new FileTables(store, this);
    }

    /// <summary>Makes the file known to the machine: the last that the constructor of a file does, when it is complete.</summary>
    private protected void Publish() => Store.Owners.Add(Tables);

    /// <summary>The file's name, for reports.</summary>
    public string Name { get; }

    /// <summary>Bytes in the file.</summary>
    public long Size { get; private protected set; }

    /// <summary>The page tables that belong to the file.</summary>
    public FileTables Tables { get; }

    /// <summary>Bytes that have been written since they were last written back. Exact at rest; 0 for files in RAM.</summary>
    public long DirtyBytes => Dirty?.Bytes ?? 0;

    /// <summary>Mappings of the file that may show it in private tables.</summary>
    internal PrivateMappings PrivateMappings { get; } = new();

    internal TableStore Store { get; }

    /// <summary>What has been written; null for files that are never written back.</summary>
    internal virtual DirtySet? Dirty => null;

    /// <summary>Where files end, at the latest: no size, and no mapped part, goes beyond. (Linux: s_maxbytes, which for most is 2^63 - 1.)</summary>
    public const long MaxSize = long.MaxValue / 4;

    /// <summary>Whether the file is neither open nor mapped, and has given everything back.</summary>
    public bool HasEnded => Volatile.Read(ref _users) == 0;

    /// <summary>The size of the pages that the file wants to be mapped with.</summary>
    public abstract long PageSize { get; }

    /// <summary>
    /// What addresses, lengths and offsets of mappings must be multiples of: 4 KiB, or the page size of a file whose
    /// pages can never be smaller (hugetlbfs).
    /// </summary>
    public virtual long MappingAlignment => Level.PageSize;

    /// <summary>Whether an access at an offset is a bus error: it lies past the last page.</summary>
    internal bool IsPastEnd(long offset) => offset < 0 || offset >= ((Size + MappingAlignment - 1) & -MappingAlignment);

    /// <summary>Whether the file can be mapped with MAP_SYNC.</summary>
    public virtual bool SupportsSynchronousMappings => false;

    /// <summary>Whether changes of the file's metadata wait to be made durable.</summary>
    internal virtual bool HasPendingMetadata => false;

    /// <summary>
    /// Whether a place of the file can be shown by a 2 MiB leaf in a mapping of the whole file at a congruent
    /// address, and if not, why.
    /// </summary>
    public SmallPageReason WhySmall(long offset) =>
        WhySmall(offset, new LeafLimits(Level.Pmd, SmallPageReason.None, 0, long.MaxValue));

    /// <summary>The same, for a place with given limits.</summary>
    public abstract SmallPageReason WhySmall(long offset, in LeafLimits limits);

    /// <summary>
    /// Where a byte of the file lies at this moment: its own storage, or the page of zeroes for a hole; null past the
    /// end and where a memory file has no frame yet. Changes nothing.
    /// </summary>
    public abstract PhysicalAddress? Locate(long offset);

    /// <summary>Sets the file's size (ftruncate(2)). What lies past a smaller size is gone, private copies too.</summary>
    /// <returns>
    /// EINVAL for a negative size, or one that is no multiple of <see cref="MappingAlignment"/>; EFBIG; ENOSPC if the
    /// new end cuts a page where other files lie too, and there is no room to copy it.
    /// </returns>
    public Errno SetSize(long size) => SetSize(size, mayShrink: true);

    /// <summary>Makes the file at least so long.</summary>
    internal Errno GrowTo(long size) => SetSize(size, mayShrink: false);

    private Errno SetSize(long size, bool mayShrink)
    {
        if (size < 0 || size > long.MaxValue / 4 || (MappingAlignment > Level.PageSize && size % MappingAlignment != 0))
        {
            return size > long.MaxValue / 4 ? Errno.EFBIG : Errno.EINVAL;
        }

        // The page that the old or the new end cuts is filled with zeroes from there on: not where other files lie too.
        return ChangeOwning(() => (size, Size), () =>
        {
            if (size >= Size || mayShrink)
            {
                Resize(size);
            }
        });
    }

    /// <summary>Under the invalidate lock; the pages that the old and the new end cut are the file's own.</summary>
    private void Resize(long size)
    {
        long before = Size;
        Schedule.Reach(SchedulePoint.SharedWord);
        Size = size;
        NoteMetadata();

        long pastEnd = (size + MappingAlignment - 1) & -MappingAlignment;
        if (size < before)
        {
            // A large leaf that the end cuts goes as a whole; small ones before it stay.
            var remove = new RemoveLeaves(Store, includingCopies: true);
            ChangeLeaves(pastEnd, long.MaxValue / 4, remove);
            Store.Shootdown.FlushShared(Tables);
            remove.Release();
            FreeRange(pastEnd, long.MaxValue / 4);
            ClearBytes(size, pastEnd);
        }
        else
        {
            // What was stored past the end, in the page that the end cuts, is no part of the file; it goes, too, where the
            // size stays (Linux: shmem_truncate_range).
            long cut = (before + PageSize - 1) & -PageSize;
            ClearBytes(before, size == before ? cut : Math.Min(size, cut));

            // What holds the old end may be shown by a large leaf now.
            long block = before & -Level.EntrySpan(Level.Pmd);
            JoinLargePages(block, block + Level.EntrySpan(Level.Pmd));
        }
    }

    /// <summary>
    /// Takes the storage of a range away; it reads as zeroes (fallocate(2), FALLOC_FL_PUNCH_HOLE with KEEP_SIZE).
    /// Parts of pages at the ends are filled with zeroes. Private copies stay.
    /// </summary>
    /// <returns>
    /// EINVAL for a negative offset or a length that is not positive; EFBIG for an end past 2^63; ENOSPC if an end cuts a page where other files lie
    /// too, and there is no room to copy it.
    /// </returns>
    public Errno PunchHole(long offset, long length)
    {
        if (offset < 0 || length <= 0)
        {
            return Errno.EINVAL;
        }

        if (offset > long.MaxValue - length)
        {
            return Errno.EFBIG;
        }

        // Past where files end there is nothing to take away.
        length = Math.Min(length, MaxSize - Math.Min(offset, MaxSize));
        if (length == 0)
        {
            return Errno.None;
        }

        long start = (offset + MappingAlignment - 1) & -MappingAlignment;
        long end = (offset + length) & -MappingAlignment;

        // Also where only parts of pages are cleared: a page that somebody else frees meanwhile is not ours to clear.
        return ChangeOwning(() => (offset, offset + length), () =>
        {
            if (start < end)
            {
                ChangeLayoutEntered(start, end, () =>
                {
                    FreeRange(start, end);
                    ClearBytes(offset, start);
                    ClearBytes(end, offset + length);
                });
            }
            else
            {
                ClearBytes(offset, offset + length);
            }
        });
    }

    /// <summary>
    /// Writes back what has been written in a range (fsync(2), msync(2), sync_file_range(2)): every leaf that could be
    /// stored through becomes read-only once in each table, all processors that may hold it are flushed, the range is
    /// made durable. Later stores are noticed again.
    /// </summary>
    public Errno WriteBack(long offset = 0, long length = long.MaxValue / 4)
    {
        if (offset < 0 || length < 0)
        {
            return Errno.EINVAL;
        }

        if (Dirty is not { } dirty)
        {
            return Errno.None;
        }

        // One at a time: who finds nothing left to write back must not return before it is durable.
        using var held = _writeBackLock.Hold();

        // The marks go first and the rights after, a leaf gets its mark and its right under the table's lock: a
        // store that is noticed in between leaves its mark for the next time.
        var ranges = dirty.Take(offset & -(long)Level.PageSize, Math.Min(offset + length, long.MaxValue / 4));
        if (ranges.Count > 0)
        {
            var protect = new ProtectLeaves(Store);
            foreach (var (start, bytes) in ranges)
            {
                ChangeLeaves(start, start + bytes, protect);
            }

            // All of them, also those whose leaf somebody else had protected already (hazard 49).
            Store.Shootdown.FlushShared(Tables);
            foreach (var (start, bytes) in ranges)
            {
                MakeDurable(start, start + bytes);
            }
        }

        CommitMetadata();
        return Errno.None;
    }

    /// <summary>
    /// The memory under a page has failed: from now on every process that touches the page gets a hardware-poison bus
    /// error, also those that had never touched it. Punching a hole over the page, or truncating it away, ends that.
    /// </summary>
    /// <returns>EINVAL if the file has no storage there.</returns>
    public abstract Errno Poison(long offset);

    /// <summary>
    /// Finds the page at a file offset, for a leaf. The answer is true until the sequence of
    /// <see cref="SharedTableOwner.Invalidate"/> moves; the caller has read it before.
    /// </summary>
    /// <param name="offset">The offset, in bytes.</param>
    /// <param name="write">Whether a store is to follow.</param>
    /// <param name="limits">What the leaf's place allows.</param>
    /// <param name="makes">Whether a memory file makes a page that is not there; else the answer is <see cref="PageStatus.Absent"/>.</param>
    internal abstract FilePage Find(long offset, bool write, in LeafLimits limits, bool makes = true);

    /// <summary>
    /// Gives a page storage of its own, after <see cref="Find"/> has asked for it by <see cref="PageStatus.MustAllocate"/>:
    /// it is a hole, or lies where other files lie too. The caller holds no lock from the file's invalidate lock on.
    /// </summary>
    internal virtual PageStatus Allocate(long offset) => PageStatus.Found;

    /// <summary>
    /// Whether the page at an offset lies where other files lie too, so that it must be given storage of its own by
    /// <see cref="Allocate"/> before a store. True until the sequence moves.
    /// </summary>
    internal virtual bool MustCopyToStore(long offset) => false;

    /// <summary>
    /// Notes that a leaf is about to be write-enabled: from here on the range counts as written. Under the lock of
    /// the leaf's table. False where memory is out.
    /// </summary>
    internal bool TryNoteWrite(long offset, long length) => Dirty?.TryMark(offset, length) ?? true;

    /// <summary>The file's metadata have changed and are not durable yet.</summary>
    private protected virtual void NoteMetadata()
    {
    }

    /// <summary>Makes changes of the file's metadata durable.</summary>
    internal virtual void CommitMetadata()
    {
    }

    /// <summary>Counts one mapping more. The caller has the file open or mapped.</summary>
    internal void AddUser()
    {
        if (!TryAddUser())
        {
            throw new ObjectDisposedException(Name, "The file has been closed and nobody maps it any more.");
        }
    }

    /// <summary>The same for somebody who only knows that the file existed a moment ago. False where it has ended.</summary>
    internal bool TryAddUser()
    {
        int users = Volatile.Read(ref _users);
        while (users > 0)
        {
            Schedule.Reach(SchedulePoint.SharedWord);
            int seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
            {
                return true;
            }

            users = seen;
        }

        return false;
    }

    /// <summary>Counts one mapping less.</summary>
    internal void RemoveUser()
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        if (Interlocked.Decrement(ref _users) == 0)
        {
            Tables.Free();
            FreeStorage();
            Dirty?.Free();
        }
    }

    /// <summary>Closes the file. Mappings stay valid.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            RemoveUser();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// Ends the file with its machine, whoever has it open or maps it: as if it had been closed and unmapped, but that
    /// nothing is given back, since all memory goes. The machine is at rest.
    /// </summary>
    internal void Abandon()
    {
        _closed = 1;
        _users = 0;
        Tables.Abandon();
        AbandonStorage();
        Dirty?.Abandon();
    }

    /// <summary>Forgets where the file lies.</summary>
    private protected abstract void AbandonStorage();

    /// <summary>Gives back the file's pages. Nobody maps it any more.</summary>
    private protected abstract void FreeStorage();

    /// <summary>Gives back the pages of a range, which nobody reaches any more. Under the invalidate lock.</summary>
    private protected abstract void FreeRange(long start, long end);

    /// <summary>Makes what was stored to a range durable.</summary>
    private protected virtual void MakeDurable(long start, long end)
    {
    }

    /// <summary>
    /// A file-wide change of the layout: excludes faults of the file, removes the leaves of the range from the file's
    /// tables and from private ones, flushes every processor that may hold them, and then changes the layout.
    /// </summary>
    /// <param name="start">The first file offset, a multiple of 4 KiB.</param>
    /// <param name="end">The first file offset past the range.</param>
    /// <param name="begin">Looks whether it can be done and sets aside what it needs; nothing has changed yet.</param>
    /// <param name="change">Changes the layout: nobody can reach the range now.</param>
    private protected Errno ChangeLayout(long start, long end, Func<Errno> begin, Action change)
    {
        using var held = Tables.Invalidate.Change();
        var error = begin();
        if (error == Errno.None)
        {
            ChangeLayoutEntered(start, end, change);
        }

        return error;
    }

    private void ChangeLayoutEntered(long start, long end, Action change)
    {
        ChangeLeaves(start, end, new RemoveLeaves(Store, includingCopies: false));
        Store.Shootdown.FlushShared(Tables);
        change();
        JoinLargePages(start, end);
    }

    /// <summary>
    /// Takes away the private copies of all that lies past the end of a file that has just become smaller. Under the
    /// invalidate lock.
    /// </summary>
    private protected void DropCopiesPastEnd()
    {
        var remove = new RemoveLeaves(Store, includingCopies: true);
        ChangeLeaves((Size + MappingAlignment - 1) & -MappingAlignment, long.MaxValue / 4, remove);
        Store.Shootdown.FlushShared(Tables);
        remove.Release();
    }

    /// <summary>
    /// Changes the layout when the pages that two offsets cut, if they do, are the file's own: what is cleared in them must
    /// not be cleared in another file.
    /// </summary>
    /// <param name="ends">The two offsets; asked under the invalidate lock, since they may depend on the size.</param>
    /// <param name="change">What to do, under the invalidate lock.</param>
    /// <returns>ENOSPC where a page would have to be copied and there is no room; then nothing has changed.</returns>
    private Errno ChangeOwning(Func<(long First, long Second)> ends, Action change)
    {
        while (true)
        {
            long offset;
            using (Tables.Invalidate.Change())
            {
                var (first, second) = ends();
                long? shared = IsCutShared(first) ? first : IsCutShared(second) ? second : null;
                if (shared is null)
                {
                    change();
                    return Errno.None;
                }

                offset = shared.Value;
            }

            if (Allocate(offset) is not (PageStatus.Found or PageStatus.PastEnd))
            {
                return Errno.ENOSPC;
            }
        }

        bool IsCutShared(long offset) => (offset & (Level.PageSize - 1)) != 0 && MustCopyToStore(offset);
    }

    /// <summary>
    /// Applies a change to the leaves of a range: once in each of the file's tables, then in the private tables that
    /// may show the file. The cost is that of the tables, not of the processes.
    /// </summary>
    private void ChangeLeaves(long start, long end, FileChange change)
    {
        using var epoch = Store.Epochs.Enter();
        for (int level = Store.Format.HighestLeafLevel; level >= Level.Pte; level--)
        {
            foreach (var table in Tables.TablesOver(level, start, end))
            {
                change.ApplyTo(table, level, Store.Memory.Record(table).Origin, start, end);
            }
        }

        using var index = PrivateMappings.Hold();
        PrivateMappings.Apply(change, start, end);
    }

    /// <summary>
    /// After a change of the layout: where one large leaf fits now, the table of small ones is taken out of the file's
    /// tables of PMDs, and the next fault puts the large one. The small table stays warm for those who attach to it
    /// directly: it shows the same.
    /// </summary>
    private void JoinLargePages(long start, long end)
    {
        long block = Level.EntrySpan(Level.Pmd);
        var dropped = new List<Frame>();
        using var epoch = Store.Epochs.Enter();
        foreach (var table in Tables.TablesOver(Level.Pmd, start, end))
        {
            var key = Tables.KeyOf(table);
            if (key.Origin % block != 0)
            {
                continue;
            }

            var limits = new LeafLimits(Level.Pmd, SmallPageReason.None, key.WindowStart, key.WindowEnd);
            int first = (int)Math.Clamp((start - key.Origin) / block, 0, Level.Entries);
            int last = (int)Math.Clamp((end - key.Origin + block - 1) / block, 0, Level.Entries);
            using var held = Store.Lock(table, Level.Pmd);
            for (int index = first; index < last; index++)
            {
                var entry = Store.Read(table, index);
                if (Store.Format.IsSlot(entry, Level.Pmd) && WhySmall(key.Origin + (index * block), limits) == SmallPageReason.None)
                {
                    dropped.Add(Store.TableOf(Store.Take(table, Level.Pmd, index), Level.Pmd));
                }
            }
        }

        if (dropped.Count > 0)
        {
            Store.Shootdown.FlushShared(Tables);
            foreach (var table in dropped)
            {
                Store.Detach(table);
            }

            Store.Count(TableEvent.Detached, dropped.Count);
        }
    }

    /// <summary>Fills parts of pages with zeroes, where the file has bytes, and makes that durable (Linux: dax_zero_range).</summary>
    private void ClearBytes(long start, long end)
    {
        end = Math.Min(end, (Size + Level.PageSize - 1) & -(long)Level.PageSize);
        while (start < end)
        {
            int count = (int)Math.Min(end - start, Level.PageSize - (start & (Level.PageSize - 1)));
            if (Locate(start) is { } place && !Store.IsZeroPage(place) && Store.Memory.HasBytes(place))
            {
                Schedule.Reach(SchedulePoint.Bytes);
                Store.Memory.Bytes(place, count).Clear();
                MakeDurable(start & -(long)Level.PageSize, (start & -(long)Level.PageSize) + Level.PageSize);
            }

            start += count;
        }
    }
}
