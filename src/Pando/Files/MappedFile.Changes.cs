using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <content>
/// Changes of the layout. Each has two parts: what can fail (space, copies, storage) comes first and is given back by its
/// scope; then faults are excluded, leaves removed, and what was prepared is put in place, which cannot fail. The second part has
/// few steps however much changes (a layout that was made beside the old one takes its place), or it is done in pieces, between
/// which others go on: nobody waits for the whole.
/// </content>
public abstract partial class MappedFile
{
    /// <summary>
    /// Held by a change of the layout that somebody asked for, from its beginning to its end: they are made one after the other.
    /// </summary>
    private protected SleepLock Changes { get; } = new(LockRank.LayoutChange);

    /// <summary>Sets the file's size (ftruncate(2)). What lies past a smaller size is gone, private copies too.</summary>
    /// <remarks>
    /// The size changes at once; storage past a smaller one is taken away in pieces, and until the operation returns processes may
    /// reach what of it they have mapped.
    /// </remarks>
    /// <returns>
    /// EINVAL for a negative size, or one that is no multiple of <see cref="MappingAlignment"/>; EFBIG; EBADF if the file has
    /// ended. Where the lower of the two ends cuts a page, part of it is cleared: EIO if its memory has failed; ENOSPC or EIO if
    /// other files lie there too and it cannot be copied; ENOMEM if it cannot be marked as written.
    /// </returns>
    public Errno SetSize(long size) => SetSize(size, mayShrink: true);

    /// <summary>Makes the file at least so long.</summary>
    internal Errno GrowTo(long size) => SetSize(size, mayShrink: false);

    private Errno SetSize(long size, bool mayShrink)
    {
        if (size < 0 || size > MaxSize || (MappingAlignment > Geometry.PageSize && size % MappingAlignment != 0))
        {
            return size > MaxSize ? Errno.EFBIG : Errno.EINVAL;
        }

        using var use = FileUse.Try(this, out bool ended);
        if (ended)
        {
            return Errno.EBADF;
        }

        using var held = Changes.Hold();
        long before = Size;
        if (size < before && !mayShrink)
        {
            return Errno.None;
        }

        long pastEnd = (size + MappingAlignment - 1) & -MappingAlignment;
        using (Marks.Hold())
        {
            // The page that the lower end cuts, the old or the new one, is filled with zeroes from there on.
            var error = PrepareToClear([Math.Min(size, before)]);
            if (error != Errno.None)
            {
                return error;
            }

            using var change = Tables.Invalidate.Change();
            if (size < before)
            {
                long end = PieceEnd(pastEnd, MaxSize);
                TakePastEnd(size, pastEnd, end);
                ClearBytes(size, pastEnd);
                pastEnd = end;
            }
            else
            {
                Grow(before, size);
                return Errno.None;
            }
        }

        InPieces(pastEnd, MaxSize, (start, end) => TakePastEnd(size, start, end));
        return Errno.None;
    }

    /// <summary>Sets a smaller size, or one that has been set, and takes away what lies in a range past it.</summary>
    private void TakePastEnd(long size, long start, long end)
    {
        // A large leaf that the end cuts goes as a whole; small ones before it stay.
        var remove = new RemoveLeaves(Store, includingCopies: true);
        ChangeLeaves(start, end, remove);
        Store.Shootdown.FlushShared(Tables);
        remove.Release();
        Reshape(size, start, end);
    }

    private void Grow(long before, long size)
    {
        // What was stored past the end, in the page that the end cuts, is no part of the file; it goes, too, where the
        // size stays (Linux: shmem_truncate_range).
        long cut = (before + PageSize - 1) & -PageSize;
        Reshape(size, MaxSize, MaxSize);
        ClearBytes(before, size == before ? cut : Math.Min(size, cut));

        // What holds the old end may be shown by a large leaf now.
        long block = before & -Geometry.EntrySpan(Level.Pmd);
        JoinLargePages(block, block + Geometry.EntrySpan(Level.Pmd));
    }

    /// <summary>
    /// Takes the storage of a range away; it reads as zeroes (fallocate(2), FALLOC_FL_PUNCH_HOLE with KEEP_SIZE).
    /// Parts of pages at the ends are filled with zeroes. Private copies stay.
    /// </summary>
    /// <remarks>It is done in pieces, lowest first: others may see that a part of the range is a hole already.</remarks>
    /// <returns>
    /// EINVAL for a negative offset or a length that is not positive; EFBIG for an end past 2^63; EBADF if the file has ended. Where an end cuts a page:
    /// EIO if its memory has failed; ENOSPC or EIO if other files lie there too and it cannot be copied; ENOMEM if it cannot
    /// be marked as written.
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

        using var use = FileUse.Try(this, out bool ended);
        if (ended)
        {
            return Errno.EBADF;
        }

        // Past where files end there is nothing to take away.
        length = Math.Min(length, MaxSize - Math.Min(offset, MaxSize));
        if (length == 0)
        {
            return Errno.None;
        }

        long start = (offset + MappingAlignment - 1) & -MappingAlignment;
        long end = (offset + length) & -MappingAlignment;
        using var held = Changes.Hold();
        using (Marks.Hold())
        {
            var error = PrepareToClear([offset, offset + length]);
            if (error != Errno.None)
            {
                return error;
            }

            using var change = Tables.Invalidate.Change();
            if (start >= end)
            {
                ClearBytes(offset, offset + length);
                return Errno.None;
            }

            ClearBytes(offset, start);
            ClearBytes(end, offset + length);
        }

        InPieces(start, end, Punch);
        return Errno.None;
    }

    private void Punch(long start, long end)
    {
        RemoveShown(start, end);
        Reshape(Size, start, end);
        JoinLargePages(start, end);
    }

    /// <summary>
    /// Changes the layout of a range piece by piece. Before each, those go on who have waited for the one before. The caller
    /// holds <see cref="Changes"/>.
    /// </summary>
    private protected void InPieces(long start, long end, Action<long, long> change)
    {
        while (start < end)
        {
            Marks.LetOthersPass();
            Tables.Invalidate.LetOthersGoOn();
            using var marks = Marks.Hold();
            using var excluded = Tables.Invalidate.Change();
            long pieceEnd = PieceEnd(start, end);
            change(start, pieceEnd);
            start = pieceEnd;
        }
    }

    /// <summary>How far a piece of a range goes that can be changed while others wait. Under the invalidate lock.</summary>
    private protected virtual long PieceEnd(long start, long end) => end;

    /// <summary>
    /// Sets the size, and takes away the storage of a range, which nobody reaches any more, as one change of the metadata.
    /// Under the invalidate lock, with faults excluded. Cannot fail.
    /// </summary>
    private protected abstract void Reshape(long size, long start, long end);

    /// <summary>The size of the pages that can be told apart: a larger one stays where a change cuts it.</summary>
    private protected virtual long StorageUnit => Geometry.PageSize;

    /// <summary>
    /// Sees to it that parts of the pages can be cleared that some offsets cut: they are the file's own, since what is cleared
    /// must not be cleared in another file; their memory is good; and they are marked as written. They stay so while the
    /// caller holds <see cref="Changes"/> and <see cref="Marks"/>.
    /// </summary>
    private Errno PrepareToClear(ReadOnlySpan<long> cuts)
    {
        foreach (long offset in cuts)
        {
            var error = IsCut(offset) && MustCopyToStore(offset) ? ErrorOf(GiveStorage(offset)) : Errno.None;
            if (error != Errno.None)
            {
                return error;
            }
        }

        foreach (long offset in cuts)
        {
            if (IsCut(offset) && HasFailed(offset))
            {
                return Errno.EIO;
            }
        }

        foreach (long offset in cuts)
        {
            bool isStored = IsCut(offset) && Dirty is not null && Locate(offset) is { } place && !Store.IsZeroPage(place);
            if (isStored && !LeavesOut(DurabilityPart.ClearedPart) && !TryNoteWrite(offset & -(long)Geometry.PageSize, Geometry.PageSize))
            {
                return Errno.ENOMEM;
            }
        }

        return Errno.None;

        bool IsCut(long offset) => (offset & (StorageUnit - 1)) != 0;
    }

    private static Errno ErrorOf(PageStatus status) => status switch
    {
        PageStatus.OutOfSpace => Errno.ENOSPC,
        PageStatus.OutOfMemory => Errno.ENOMEM,
        PageStatus.Poisoned or PageStatus.Failed => Errno.EIO,
        _ => Errno.None,
    };

    /// <summary>
    /// Removes the leaves of a range from the file's tables and from private ones, and flushes every processor that may hold
    /// them; private copies stay. With faults excluded, nobody reaches the range any more.
    /// </summary>
    private protected void RemoveShown(long start, long end)
    {
        ChangeLeaves(start, end, _removeLeaves);
        Store.Shootdown.FlushShared(Tables);
    }

    /// <summary>
    /// Takes away the private copies of all that lies past the end of a file that has just become smaller. Under the
    /// invalidate lock.
    /// </summary>
    private protected void DropCopiesPastEnd()
    {
        var remove = new RemoveLeaves(Store, includingCopies: true);
        ChangeLeaves((Size + MappingAlignment - 1) & -MappingAlignment, MaxSize, remove);
        Store.Shootdown.FlushShared(Tables);
        remove.Release();
    }

    /// <summary>
    /// Applies a change to the leaves of a range: once in each of the file's tables, then in the private tables that
    /// may show the file. The cost is that of the tables, not of the processes.
    /// </summary>
    private void ChangeLeaves(long start, long end, FileChange change)
    {
        using var epoch = Store.Epochs.Enter();
        for (int level = Geometry.HighestLeafLevel; level >= Level.Pte; level--)
        {
            foreach (var table in Tables.TablesOver(level, start, end))
            {
                change.ApplyTo(table, level, Store.Memory.Record(table).Origin, start, end);
            }
        }

        using var map = Tables.ReverseMap.Hold();
        change.ApplyTo(Tables.ReverseMap, start, end);
    }

    /// <summary>
    /// After a change of the layout: where one large leaf fits now, the table of small ones is taken out of the file's
    /// tables of PMDs, and the next fault puts the large one. The small table stays warm for those who attach to it
    /// directly: it shows the same.
    /// </summary>
    private protected void JoinLargePages(long start, long end)
    {
        long block = Geometry.EntrySpan(Level.Pmd);
        Span<Frame> dropped = stackalloc Frame[Geometry.Entries(Level.Pmd)];
        int count = 0;
        using var epoch = Store.Epochs.Enter();
        foreach (var table in Tables.TablesOver(Level.Pmd, start, end))
        {
            var key = Tables.KeyOf(table);
            if (key.Origin % block != 0)
            {
                continue;
            }

            var limits = new LeafLimits(Level.Pmd, SmallPageReason.None, key.WindowStart, key.WindowEnd);
            int first = (int)Math.Clamp((start - key.Origin) / block, 0, Geometry.Entries(Level.Pmd));
            int last = (int)Math.Clamp((end - key.Origin + block - 1) / block, 0, Geometry.Entries(Level.Pmd));
            using var held = Store.Lock(table, Level.Pmd);
            for (int index = first; index < last; index++)
            {
                var entry = Store.Read(table, index);
                if (Store.Format.IsSlot(entry, Level.Pmd) && WhySmall(key.Origin + (index * block), limits) == SmallPageReason.None)
                {
                    if (count == dropped.Length)
                    {
                        DetachDropped(dropped);
                        count = 0;
                    }

                    dropped[count++] = Store.TableOf(Store.Take(table, Level.Pmd, index), Level.Pmd);
                }
            }
        }

        DetachDropped(dropped[..count]);
    }

    private void DetachDropped(ReadOnlySpan<Frame> tables)
    {
        if (tables.IsEmpty)
        {
            return;
        }

        Store.Shootdown.FlushShared(Tables);
        foreach (var table in tables)
        {
            Store.Detach(table);
        }

        Store.Count(TableEvent.Detached, tables.Length);
    }

    /// <summary>Fills parts of pages with zeroes, where the file has bytes. <see cref="PrepareToClear"/> was asked before.</summary>
    private void ClearBytes(long start, long end)
    {
        end = Math.Min(end, (Size + Geometry.PageSize - 1) & -(long)Geometry.PageSize);
        while (start < end)
        {
            int count = (int)Math.Min(end - start, Geometry.PageStart(start) + Geometry.PageSize - start);
            if (Locate(start) is { } place && !Store.IsZeroPage(place) && Store.Memory.HasBytes(place))
            {
                Schedule.Reach(SchedulePoint.Bytes);
                Store.Memory.Bytes(place, count).Clear();
            }

            start += count;
        }
    }
}
