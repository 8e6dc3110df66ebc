using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// The protocol by which the layout of one file changes (its size, and where its bytes lie), with the changes that all kinds of files have.
/// </summary>
/// <remarks>
/// Each has two parts: what can fail (space, copies, storage) comes first and is given back by its
/// scope; then faults are excluded, leaves removed, and what was prepared is put in place, which cannot fail. The second part has
/// few steps however much changes (a layout that was made beside the old one takes its place), or it is done in pieces, between
/// which others go on: nobody waits for the whole. Locks, outermost first: the change as a whole (<see cref="Hold"/>), the file's marks
/// (<see cref="FileWriteBack.Hold"/>), the layout (<see cref="SharedTableOwner.Invalidate"/>).
/// </remarks>
internal sealed class LayoutChanges(MappedFile file)
{
    private readonly SleepLock _changes = new(LockRank.LayoutChange);

    private TableStore Store => file.Store;

    private TableGeometry Geometry => file.Store.Geometry;

    /// <summary>Whether a change that somebody asked for is under way.</summary>
    public bool IsHeld => _changes.IsHeld;

    /// <summary>A change of the layout that somebody asked for, from its beginning to its end: they are made one after the other.</summary>
    public SleepLock.Scope Hold() => _changes.Hold();

    /// <summary>See <see cref="MappedFile.SetSize"/>; a file that may not shrink stays as it is where it is longer.</summary>
    public Errno SetSize(long size, bool mayShrink)
    {
        if (size < 0 || size > MappedFile.MaxSize || (file.MappingAlignment > Geometry.PageSize && size % file.MappingAlignment != 0))
        {
            return size > MappedFile.MaxSize ? Errno.EFBIG : Errno.EINVAL;
        }

        using var use = FileUse.Try(file, out bool ended);
        if (ended)
        {
            return Errno.EBADF;
        }

        using var held = _changes.Hold();
        long before = file.Size;
        if (size < before && !mayShrink)
        {
            return Errno.None;
        }

        long pastEnd = (size + file.MappingAlignment - 1) & -file.MappingAlignment;
        using (file.WriteBacks.Hold())
        {
            // The page that the lower end cuts, the old or the new one, is filled with zeroes from there on.
            var error = PrepareToClear([Math.Min(size, before)]);
            if (error != Errno.None)
            {
                return error;
            }

            using var change = file.Tables.Invalidate.Change();
            if (size < before)
            {
                long end = PieceEnd(pastEnd, MappedFile.MaxSize);
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

        InPieces(pastEnd, MappedFile.MaxSize, (start, end) => TakePastEnd(size, start, end));
        return Errno.None;
    }

    /// <summary>Sets a smaller size, or one that has been set, and takes away what lies in a range past it.</summary>
    private void TakePastEnd(long size, long start, long end)
    {
        file.Leaves.RemoveWithCopies(start, end);
        file.Reshape(size, start, end);
    }

    private void Grow(long before, long size)
    {
        // What was stored past the end, in the page that the end cuts, is no part of the file; it goes, too, where the
        // size stays (Linux: shmem_truncate_range).
        long cut = (before + file.PageSize - 1) & -file.PageSize;
        file.Reshape(size, MappedFile.MaxSize, MappedFile.MaxSize);
        ClearBytes(before, size == before ? cut : Math.Min(size, cut));

        // What holds the old end may be shown by a large leaf now.
        long block = before & -Geometry.EntrySpan(Level.Pmd);
        file.Leaves.Join(block, block + Geometry.EntrySpan(Level.Pmd));
    }

    /// <summary>See <see cref="MappedFile.PunchHole"/>.</summary>
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

        using var use = FileUse.Try(file, out bool ended);
        if (ended)
        {
            return Errno.EBADF;
        }

        // Past where files end there is nothing to take away.
        length = Math.Min(length, MappedFile.MaxSize - Math.Min(offset, MappedFile.MaxSize));
        if (length == 0)
        {
            return Errno.None;
        }

        long start = (offset + file.MappingAlignment - 1) & -file.MappingAlignment;
        long end = (offset + length) & -file.MappingAlignment;
        using var held = _changes.Hold();
        using (file.WriteBacks.Hold())
        {
            var error = PrepareToClear([offset, offset + length]);
            if (error != Errno.None)
            {
                return error;
            }

            using var change = file.Tables.Invalidate.Change();
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
        file.Leaves.Remove(start, end);
        file.Reshape(file.Size, start, end);
        file.Leaves.Join(start, end);
    }

    /// <summary>
    /// Changes the layout of a range piece by piece. Before each, those go on who have waited for the one before. The caller
    /// holds <see cref="_changes"/>.
    /// </summary>
    private void InPieces(long start, long end, Action<long, long> change)
    {
        while (start < end)
        {
            file.WriteBacks.LetOthersPass();
            file.Tables.Invalidate.LetOthersGoOn();
            using var marks = file.WriteBacks.Hold();
            using var excluded = file.Tables.Invalidate.Change();
            long pieceEnd = PieceEnd(start, end);
            change(start, pieceEnd);
            start = pieceEnd;
        }
    }

    /// <summary>How far a piece of a range goes: by what the file has there, and by who shows it.</summary>
    private long PieceEnd(long start, long end) => file.Leaves.PieceEnd(start, file.PieceEnd(start, end));

    /// <summary>
    /// Sees to it that parts of the pages can be cleared that some offsets cut: they are the file's own, since what is cleared
    /// must not be cleared in another file; their memory is good; and they are marked as written. They stay so while the
    /// caller holds <see cref="_changes"/> and the marks.
    /// </summary>
    private Errno PrepareToClear(ReadOnlySpan<long> cuts)
    {
        foreach (long offset in cuts)
        {
            var error = IsCut(offset) && file.MustCopyToStore(offset) ? ErrorOf(file.GiveStorage(offset)) : Errno.None;
            if (error != Errno.None)
            {
                return error;
            }
        }

        foreach (long offset in cuts)
        {
            if (IsCut(offset) && file.HasFailed(offset))
            {
                return Errno.EIO;
            }
        }

        foreach (long offset in cuts)
        {
            bool isStored = IsCut(offset) && file.Dirty is not null && file.Locate(offset) is { } place && !Store.IsZeroPage(place);
            if (isStored && !file.LeavesOut(DurabilityPart.ClearedPart) && !file.TryNoteWrite(offset & -(long)Geometry.PageSize, Geometry.PageSize))
            {
                return Errno.ENOMEM;
            }
        }

        return Errno.None;

        bool IsCut(long offset) => (offset & (file.StorageUnit - 1)) != 0;
    }

    private static Errno ErrorOf(PageStatus status) => status switch
    {
        PageStatus.OutOfSpace => Errno.ENOSPC,
        PageStatus.OutOfMemory => Errno.ENOMEM,
        PageStatus.Poisoned or PageStatus.Failed => Errno.EIO,
        _ => Errno.None,
    };

    /// <summary>Fills parts of pages with zeroes, where the file has bytes. <see cref="PrepareToClear"/> was asked before.</summary>
    private void ClearBytes(long start, long end)
    {
        end = Math.Min(end, (file.Size + Geometry.PageSize - 1) & -(long)Geometry.PageSize);
        while (start < end)
        {
            int count = (int)Math.Min(end - start, Geometry.PageStart(start) + Geometry.PageSize - start);
            if (file.Locate(start) is { } place && !Store.IsZeroPage(place) && Store.Memory.HasBytes(place))
            {
                Schedule.Reach(SchedulePoint.Bytes);
                Store.Memory.Bytes(place, count).Clear();
            }

            start += count;
        }
    }
}
