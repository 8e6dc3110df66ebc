using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Files;

/// <content>Changes of where the file lies.</content>
public sealed partial class DaxFile
{
    /// <summary>
    /// Takes a range out of the file and moves all that follows down (fallocate(2), FALLOC_FL_COLLAPSE_RANGE).
    /// </summary>
    /// <returns>
    /// EINVAL if offset or length are no multiples of 4 KiB, or the range reaches the end of the file; EIO if what was
    /// written past the offset cannot be written back, as it is before it moves; EBADF if the file has ended.
    /// </returns>
    public Errno CollapseRange(long offset, long length)
    {
        if (offset < 0 || length <= 0 || ((offset | length) & (Level.PageSize - 1)) != 0)
        {
            return Errno.EINVAL;
        }

        return Move(
            offset,
            () => length >= Size - offset ? Errno.EINVAL : Errno.None,
            () =>
            {
                var cut = _extents.CutOut(offset, offset + length);
                _extents.Shift(offset + length, -length);
                Lead(Size - length);

                // Copies move with nothing; those that now lie past the end go, as with truncation.
                DropCopiesPastEnd();
                return cut;
            });
    }

    /// <summary>
    /// Puts a hole into the file and moves all that follows up (fallocate(2), FALLOC_FL_INSERT_RANGE).
    /// </summary>
    /// <returns>
    /// EINVAL if offset or length are no multiples of 4 KiB or the offset is not within the file; EFBIG if the file would
    /// become too large; EIO if what was written past the offset cannot be written back, as it is before it moves; EBADF if
    /// the file has ended.
    /// </returns>
    public Errno InsertRange(long offset, long length)
    {
        if (offset < 0 || length <= 0 || ((offset | length) & (Level.PageSize - 1)) != 0)
        {
            return Errno.EINVAL;
        }

        return Move(
            offset,
            () => offset >= Size ? Errno.EINVAL : length > MaxSize - Size ? Errno.EFBIG : Errno.None,
            () =>
            {
                _extents.Shift(offset, length);
                Lead(Size + length);
                return default;
            });
    }

    /// <summary>
    /// Moves all from an offset on to other offsets. Marks stand at offsets, so that what they stand for is written back before
    /// (Linux: xfs_prepare_shift): most of it beside faults, the rest when no more can be stored.
    /// </summary>
    private Errno Move(long offset, Func<Errno> begin, Func<ExtentMap.Part> change)
    {
        using var use = FileUse.Try(this, out bool ended);
        if (ended)
        {
            return Errno.EBADF;
        }

        using var held = Changes.Hold();
        using var cut = Move(offset, begin, change, out var error);
        return error;
    }

    private CutExtents Move(long offset, Func<Errno> begin, Func<ExtentMap.Part> change, out Errno error)
    {
        using var marks = Marks.Hold();
        error = begin();
        if (error == Errno.None)
        {
            error = WriteBackHeld(offset, MaxSize, DurabilityPart.Shift, layoutHeld: false);
        }

        if (error != Errno.None)
        {
            return default;
        }

        using var excluded = Tables.Invalidate.Change();
        RemoveShown(offset, MaxSize);
        error = WriteBackHeld(offset, MaxSize, DurabilityPart.ShiftRest, layoutHeld: true);
        if (error != Errno.None)
        {
            return default;
        }

        return new CutExtents(
            this,
            () =>
            {
                var cut = change();
                JoinLargePages(offset, MaxSize);
                return cut;
            });
    }

    /// <summary>
    /// Lets a range of this file lie where a range of another lies (ioctl FICLONERANGE). Both see the same bytes until
    /// one of them is written; then that page, or 2 MiB, is copied.
    /// </summary>
    /// <remarks>
    /// This file shows what the source had at one moment, also where processes store to it meanwhile: a store to what has not been
    /// dealt with sees to its 2 MiB first. All of it appears at once.
    /// </remarks>
    /// <param name="source">A file on the same device.</param>
    /// <param name="sourceOffset">Where in the source; a multiple of 4 KiB.</param>
    /// <param name="length">Bytes; a multiple of 4 KiB.</param>
    /// <param name="offset">Where in this file; a multiple of 4 KiB.</param>
    /// <returns>
    /// EINVAL for what is not aligned, past the end of either file, or overlaps in one file; EXDEV's case (another device) is
    /// EINVAL too; EIO if what was written to the source cannot be written back first; EBADF if either file has ended.
    /// </returns>
    public Errno CloneRange(DaxFile source, long sourceOffset, long length, long offset)
    {
        ArgumentNullException.ThrowIfNull(source);
        using var use = FileUse.Try(this, out bool ended);
        using var sourceUse = FileUse.Try(source, out bool sourceEnded);
        if (ended || sourceEnded)
        {
            return Errno.EBADF;
        }

        if (source.Device != Device
            || sourceOffset < 0 || offset < 0 || length <= 0
            || ((sourceOffset | length | offset) & (Level.PageSize - 1)) != 0
            || (source == this && sourceOffset < offset + length && offset < sourceOffset + length)
            || offset > MaxSize - length || sourceOffset > MaxSize - length
            || IsPastEnd(offset + length - 1))
        {
            return Errno.EINVAL;
        }

        for (bool mayStay = false; ;)
        {
            using var claim = Device.Claim();
            var error = source.ShareRange(claim, sourceOffset, length, offset - sourceOffset);
            if (error == Errno.None)
            {
                error = LeadToShared(claim, offset, length, mayStay);
            }

            if (error == Errno.None)
            {
                return Errno.None;
            }

            claim.Dispose();
            source.LeadAlone(sourceOffset, sourceOffset + length);
            if (error != Errno.EAGAIN)
            {
                return error;
            }

            // The device is being emptied where the source lay. What cannot be moved for want of room is cloned where it is.
            error = source.LeaveWhatIsBeingEmptied(sourceOffset, sourceOffset + length);
            if (error is not (Errno.None or Errno.ENOSPC))
            {
                return error;
            }

            mayStay = error == Errno.ENOSPC;
        }
    }

    /// <summary>
    /// The first half of a clone: the file stops storing in place in a range, and what it has there is counted once more.
    /// </summary>
    /// <param name="claim">Takes what is counted once more, until the other file leads there.</param>
    /// <param name="start">The range's first offset.</param>
    /// <param name="length">Its length.</param>
    /// <param name="distance">From an offset here to that in the other file.</param>
    private Errno ShareRange(SpaceClaim claim, long start, long length, long distance)
    {
        using var held = Changes.Hold();
        if (IsPastEnd(start + length - 1))
        {
            return Errno.EINVAL;
        }

        using (Marks.Hold())
        {
            // What the other file is given is not marked in it as written: it must be durable already. Most of it is written back
            // beside faults, the rest when no more can be stored.
            var error = WriteBackHeld(start, start + length, DurabilityPart.CloneSource, layoutHeld: false);
            if (error != Errno.None)
            {
                return error;
            }

            using var change = Tables.Invalidate.Change();
            RemoveShown(start, start + length);
            error = WriteBackHeld(start, start + length, DurabilityPart.CloneSourceRest, layoutHeld: true);
            if (error != Errno.None)
            {
                return error;
            }

            _cloned = new ClonedRange(claim, distance);
            _awaitsClone.Set(start, start + length, default);
        }

        try
        {
            while (_awaitsClone.Count != 0)
            {
                Tables.Invalidate.LetOthersGoOn();
                using var steady = Tables.Invalidate.Hold();
                if (_awaitsClone.TryGetNext(start, out var next))
                {
                    ShareFirst(steady, next.Start, next.End);
                }
            }
        }
        finally
        {
            using var steady = Tables.Invalidate.Hold();
            _awaitsClone.Clear();
            _cloned = null;
        }

        return Errno.None;
    }

    /// <summary>Counts the first piece of a range once more, for the clone that is under way.</summary>
    /// <returns>Where the piece ends.</returns>
    private long ShareFirst(InvalidateLock.Steady steady, long start, long end)
    {
        var (claim, distance) = _cloned!;
        end = PieceEnd(start, end);

        // What was read since may be shown by a large leaf, of which only a part is shared now.
        using var excluded = steady.ExcludeFaults();
        RemoveShown(start, end);
        for (var extent = _extents.First(start, end); extent.Length != 0; extent = _extents.First(extent.FileEnd, end))
        {
            claim.Share(extent with { FileOffset = extent.FileOffset + distance, IsShared = true });
            _extents.Set(extent with { IsShared = true });
        }

        _awaitsClone.Remove(start, end);
        return end;
    }

    /// <summary>What a clone has not come to in a range, it comes to now: somebody is about to store there.</summary>
    private void ShareAwaited(InvalidateLock.Steady steady, long start, long end)
    {
        while (_awaitsClone.TryGetNext(start, out var next) && next.Start < end)
        {
            start = ShareFirst(steady, Math.Max(start, next.Start), Math.Min(end, next.End));
        }
    }

    /// <summary>A clone of a part of this file that is under way.</summary>
    /// <param name="Claim">Takes what is counted once more.</param>
    /// <param name="Distance">From an offset here to that in the other file.</param>
    private sealed record ClonedRange(SpaceClaim Claim, long Distance);

    /// <summary>The second half of a clone: the file leads to what is counted for it.</summary>
    /// <returns>EAGAIN where a piece lies on a part of the device that is being emptied and may not stay there; nothing has changed then.</returns>
    private Errno LeadToShared(SpaceClaim claim, long offset, long length, bool mayStay)
    {
        using var held = Changes.Hold();
        if (IsPastEnd(offset + length - 1))
        {
            return Errno.EINVAL;
        }

        // A migration that begins later finds what is put in here: it waits for the end of the change.
        if (!mayStay && claim.Shared.Any(piece => Device.BeingEmptied(piece).Any()))
        {
            return Errno.EAGAIN;
        }

        using var cut = Replace(offset, offset + length, Prepare(claim.Shared), claim);
        return Errno.None;
    }

    /// <summary>Makes a part of the layout beside the one that faults see.</summary>
    private ExtentMap.Part Prepare(IEnumerable<FileExtent> extents)
    {
        var part = default(ExtentMap.Part);
        foreach (var piece in extents.Chunk(Device.MostInPiece))
        {
            Tables.Invalidate.LetOthersGoOn();
            using var steady = Tables.Invalidate.Hold();
            foreach (var extent in piece)
            {
                part = _extents.Append(part, extent);
            }
        }

        return part;
    }

    private CutExtents Replace(long start, long end, ExtentMap.Part part, SpaceClaim claim)
    {
        using var marks = Marks.Hold();
        using var change = Tables.Invalidate.Change();
        return new CutExtents(
            this,
            () =>
            {
                RemoveShown(start, end);
                var before = _extents.Replace(start, end, part);
                claim.Keep();
                Lead(Size);
                _dirty.Forget(start, end);
                JoinLargePages(start, end);
                return before;
            });
    }

    /// <summary>Where no other file lies any more, stores go to the place where the file lies.</summary>
    private void LeadAlone(long start, long end)
    {
        while (start < end)
        {
            Tables.Invalidate.LetOthersGoOn();
            using var held = Tables.Invalidate.Hold();
            long pieceEnd = PieceEnd(start, end);
            LeadAlone(held, start, pieceEnd);
            start = pieceEnd;
        }
    }

    /// <summary>The same while the layout is held.</summary>
    private void LeadAlone(InvalidateLock.Steady steady, long start, long end)
    {
        if (!TryGetAlone(start, end, out var extent))
        {
            return;
        }

        // A leaf of 2 MiB may show a part where others lie as well: it must not be write-enabled. Others stay; perhaps they have
        // just been populated.
        using var excluded = steady.ExcludeFaults();
        do
        {
            RemoveShown(extent.FileOffset, extent.FileEnd);
            _extents.Set(extent with { IsShared = false });
        }
        while (TryGetAlone(extent.FileEnd, end, out extent));
        JoinLargePages(start, end);
    }

    /// <summary>The first piece in a range that is known as shared, and on which no other file lies any more.</summary>
    private bool TryGetAlone(long start, long end, out FileExtent alone)
    {
        for (var extent = _extents.First(start, end); extent.Length != 0; extent = _extents.First(extent.FileEnd, end))
        {
            for (long at = extent.FileOffset, same; extent.IsShared && at < extent.FileEnd; at += same)
            {
                var part = ExtentMap.Slice(extent, at, extent.FileEnd);
                if (Device.Space.FilesOn(part.DeviceOffset, part.Length, out same) == Sharers.One)
                {
                    alone = ExtentMap.Slice(part, at, at + same);
                    return true;
                }
            }
        }

        alone = default;
        return false;
    }

    /// <inheritdoc/>
    internal override PageStatus Allocate(long offset)
    {
        long block = offset & -Level.EntrySpan(Level.Pmd);
        using var steady = Tables.Invalidate.Hold();
        if (IsPastEnd(offset))
        {
            return PageStatus.PastEnd;
        }

        if (MustCopyToStore(offset))
        {
            ShareAwaited(steady, block, block + Level.EntrySpan(Level.Pmd));
            LeadAlone(steady, block, block + Level.EntrySpan(Level.Pmd));
        }

        var present = _extents.At(offset);
        if (present.Length != 0 && !present.IsShared)
        {
            // Somebody was quicker, or nobody else lies there any more.
            return PageStatus.Found;
        }

        bool whole = TakesWholeBlock(offset);
        var status = Allocate(steady, offset, present, whole);
        if (whole && status == PageStatus.Failed && !TakesWholeBlock(offset))
        {
            // Memory has failed beside the page.
            status = Allocate(steady, offset, present, whole: false);
        }

        if (status == PageStatus.OutOfSpace && present.IsShared)
        {
            // When there was no room, what others have left was given up: perhaps they were those who lay here.
            LeadAlone(steady, block, block + Level.EntrySpan(Level.Pmd));
            status = MustCopyToStore(offset) ? status : PageStatus.Found;
        }

        return status;
    }

    private PageStatus Allocate(InvalidateLock.Steady steady, long offset, FileExtent present, bool whole)
    {
        // One claim for all, which is empty in between: faults allocate nothing, and the layout is held.
        using var claim = _pageClaim;
        var error = TakeSpace(claim, offset, whole, out var taken);
        if (error == Errno.None)
        {
            error = present.Length == 0
                ? Device.Clear(taken.DeviceOffset, taken.Length, DurabilityPart.FilledHole)
                : CopyTo(taken);
        }

        if (error != Errno.None)
        {
            return error == Errno.ENOSPC ? PageStatus.OutOfSpace : HasFailed(offset) ? PageStatus.Poisoned : PageStatus.Failed;
        }

        // Only leaves of what gets storage are taken away: other pages of the 2 MiB, perhaps just populated, stay.
        using var excluded = steady.ExcludeFaults();
        RemoveShown(taken.FileOffset, taken.FileEnd);
        LeaveRange(taken.FileOffset, taken.FileEnd);
        _extents.Set(taken);
        claim.Keep();
        Lead(Size);
        JoinLargePages(taken.FileOffset, taken.FileEnd);
        return PageStatus.Found;
    }

    /// <summary>Copies what the file has in a range, where other files lie too so that nobody can store there, to new space.</summary>
    private Errno CopyTo(FileExtent taken)
    {
        for (var old = _extents.First(taken.FileOffset, taken.FileEnd); old.Length != 0; old = _extents.First(old.FileEnd, taken.FileEnd))
        {
            var error = Device.Copy(old.DeviceOffset, taken.DeviceOffset + (old.FileOffset - taken.FileOffset), old.Length, DurabilityPart.CopyToStore);
            if (error != Errno.None)
            {
                return error;
            }
        }

        return Errno.None;
    }

    /// <summary>
    /// Moves what lies on a range of the device elsewhere. While a piece is copied, who touches it waits: no store is lost.
    /// </summary>
    /// <returns>
    /// ENOSPC if the device has no room; what was moved by then stays moved. What has failed stays where it is: its
    /// bytes are lost, and a copy would hide that.
    /// </returns>
    internal Errno MoveAway(long deviceStart, long deviceEnd)
    {
        // One 2 MiB of the file at a time, so that nobody waits long.
        foreach (var piece in Movable(deviceStart, deviceEnd))
        {
            Tables.Invalidate.LetOthersGoOn();
            var error = Move(piece);
            if (error is not (Errno.None or Errno.EAGAIN))
            {
                return error;
            }
        }

        return Errno.None;
    }

    /// <summary>Moves what of a range of the file lies where the device is being emptied, as far as there is room.</summary>
    /// <returns>ENOSPC if there is no room for all; EIO.</returns>
    private Errno LeaveWhatIsBeingEmptied(long start, long end)
    {
        var outcome = Errno.None;
        foreach (var piece in _extents.Within(start, end).SelectMany(Device.BeingEmptied).SelectMany(InBlocks))
        {
            Tables.Invalidate.LetOthersGoOn();
            var error = Move(piece);
            if (error is not (Errno.None or Errno.EAGAIN or Errno.ENOSPC))
            {
                return error;
            }

            outcome = error == Errno.ENOSPC ? error : outcome;
        }

        return outcome;
    }

    /// <summary>
    /// Whether any of the file that has not failed lies on a range of the device that is out of use. A change of the layout
    /// that has taken space there before comes to its end first; one that begins later takes none.
    /// </summary>
    internal bool CanMoveFrom(long deviceStart, long deviceEnd)
    {
        using (Changes.Hold())
        using (Tables.Invalidate.Hold())
        {
            // Here they have ended.
        }

        return Movable(deviceStart, deviceEnd).Any();
    }

    /// <summary>The pieces of the file on a range of the device that have not failed, none larger than 2 MiB.</summary>
    private IEnumerable<FileExtent> Movable(long deviceStart, long deviceEnd) =>
        _extents.On(deviceStart, deviceEnd)
            .SelectMany(InBlocks)
            .SelectMany(Device.WithoutPoison);

    private static IEnumerable<FileExtent> InBlocks(FileExtent extent)
    {
        long size = Level.EntrySpan(Level.Pmd);
        for (long block = extent.FileOffset & -size; block < extent.FileEnd; block += size)
        {
            yield return ExtentMap.Slice(extent, block, block + size);
        }
    }

    private Errno Move(FileExtent piece)
    {
        using var steady = Tables.Invalidate.Hold();
        var present = _extents.At(piece.FileOffset);
        if (present.Length == 0
            || Device.IsPoisoned(piece.DeviceOffset, piece.Length)
            || ExtentMap.Slice(present, piece.FileOffset, piece.FileEnd) is var now && (now.DeviceOffset != piece.DeviceOffset || now.Length != piece.Length))
        {
            return Errno.EAGAIN;
        }

        using var claim = Device.Claim();
        long alignment = piece.Length == Level.EntrySpan(Level.Pmd) ? piece.Length : Level.PageSize;
        var error = claim.Take(piece.Length, alignment, out long target);
        if (error == Errno.ENOSPC && alignment > Level.PageSize)
        {
            error = claim.Take(piece.Length, Level.PageSize, out target);
        }

        if (error != Errno.None)
        {
            return error;
        }

        // Nobody stores to the piece while it is copied.
        using var excluded = steady.ExcludeFaults();
        RemoveShown(piece.FileOffset, piece.FileEnd);
        error = Device.Copy(piece.DeviceOffset, target, piece.Length, DurabilityPart.Migration);
        if (error != Errno.None)
        {
            return Device.IsPoisoned(piece.DeviceOffset, piece.Length) ? Errno.EAGAIN : error;
        }

        LeaveRange(piece.FileOffset, piece.FileEnd);
        _extents.Set(new FileExtent(piece.FileOffset, target, piece.Length));
        claim.Keep();
        Lead(Size);
        JoinLargePages(piece.FileOffset, piece.FileEnd);
        return Errno.None;
    }

    /// <summary>Whether any of the file lies where memory of a range of the device has failed.</summary>
    internal bool HasFailedOn(long deviceStart, long deviceEnd) =>
        _extents.On(deviceStart, deviceEnd).Any(extent => Device.IsPoisoned(extent.DeviceOffset, extent.Length));

    /// <summary>
    /// Removes the leaves of a range of the device whose memory has failed, wherever the file shows it; from then on
    /// faults find the poison.
    /// </summary>
    internal void RemovePoisoned(long deviceStart, long deviceEnd)
    {
        if (!_extents.On(deviceStart, deviceEnd).Any())
        {
            // Whoever leads there later finds the poison, as faults do from now on.
            return;
        }

        using var change = Tables.Invalidate.Change();
        foreach (var extent in _extents.On(deviceStart, deviceEnd))
        {
            RemoveShown(extent.FileOffset, extent.FileEnd);
        }
    }

    /// <summary>
    /// Whether a page that needs storage of its own gets it together with the 2 MiB around it: where all of them are
    /// a hole, or shared in one piece. (A file system with an extent-size hint of 2 MiB does so.)
    /// </summary>
    private bool TakesWholeBlock(long offset)
    {
        var present = ExtentAt(offset);
        long block = offset & -Level.EntrySpan(Level.Pmd);
        long end = block + Level.EntrySpan(Level.Pmd);
        return end <= Size
            && (present.Length == 0 || !Device.IsPoisoned(present.DeviceOffset + (block - present.FileOffset), end - block))
            && (present.Length == 0 ? _extents.IsHole(block, end) : present.IsShared && present.FileOffset <= block && end <= present.FileEnd);
    }

    /// <summary>Takes new space for a page, or for the 2 MiB around it; for the page alone where there is not enough.</summary>
    private static Errno TakeSpace(SpaceClaim claim, long offset, bool whole, out FileExtent taken)
    {
        long block = Level.EntrySpan(Level.Pmd);
        var error = Errno.ENOSPC;
        long size = block;
        long at = 0;
        if (whole)
        {
            error = claim.Take(block, block, out at);
        }

        if (error == Errno.ENOSPC)
        {
            size = Level.PageSize;
            error = claim.Take(size, size, out at);
        }

        taken = new FileExtent(offset & -size, at, size);
        return error;
    }
}
