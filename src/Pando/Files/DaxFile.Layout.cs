using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Files;

/// <content>Where the file lies: what moves its offsets, and storage for what is stored to first.</content>
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
        if (offset < 0 || length <= 0 || !Geometry.IsPageAligned(offset | length))
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
        if (offset < 0 || length <= 0 || !Geometry.IsPageAligned(offset | length))
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
    /// (Linux: xfs_prepare_shift): most of it beside faults, what was stored while leaves were taken away once more, and the rest, little,
    /// when no more can be stored.
    /// </summary>
    private Errno Move(long offset, Func<Errno> begin, Func<ExtentMap.Part> change)
    {
        using var use = FileUse.Try(this, out bool ended);
        if (ended)
        {
            return Errno.EBADF;
        }

        using var held = Layout.Hold();
        long before = Size;
        Errno error;
        using (Move(offset, begin, change, out error))
        {
            // What was cut out is noted as left.
        }

        if (error == Errno.None)
        {
            if (Size < before)
            {
                // Copies move with nothing; those that now lie past the end go, as with truncation.
                Leaves.RemoveWithCopiesInPieces((Size + MappingAlignment - 1) & -MappingAlignment, MaxSize);
            }

            Leaves.JoinInPieces(offset, MaxSize);
        }

        return error;
    }

    private CutExtents Move(long offset, Func<Errno> begin, Func<ExtentMap.Part> change, out Errno error)
    {
        using var marks = WriteBacks.Hold();
        error = begin();
        if (error == Errno.None)
        {
            error = WriteBacks.WriteHeld(offset, MaxSize, DurabilityPart.Shift, layoutHeld: false);
        }

        if (error != Errno.None)
        {
            return default;
        }

        using var withdrawal = new Withdrawal(this, offset, MaxSize);
        error = WriteBacks.WriteHeld(offset, MaxSize, DurabilityPart.Shift, layoutHeld: false);
        if (error != Errno.None)
        {
            return default;
        }

        using var excluded = withdrawal.Exclude();
        error = WriteBacks.WriteHeld(offset, MaxSize, DurabilityPart.ShiftRest, layoutHeld: true);
        return error == Errno.None ? new CutExtents(this, change) : default;
    }

    /// <inheritdoc/>
    internal override PageStatus GiveStorage(long offset)
    {
        long block = offset & -Geometry.EntrySpan(Level.Pmd);
        using var steady = Tables.Invalidate.Hold();
        if (IsPastEnd(offset))
        {
            return PageStatus.PastEnd;
        }

        if (MustCopyToStore(offset))
        {
            ShareAwaited(steady, block, block + Geometry.EntrySpan(Level.Pmd));
            LeadAlone(steady, block, block + Geometry.EntrySpan(Level.Pmd));
        }

        var present = _extents.At(offset);
        if (present.Length != 0 && !present.IsShared)
        {
            // Somebody was quicker, or nobody else lies there any more.
            return PageStatus.Found;
        }

        bool whole = TakesWholeBlock(offset);
        var status = GiveStorage(steady, offset, present, whole);
        if (whole && status == PageStatus.Failed && !TakesWholeBlock(offset))
        {
            // Memory has failed beside the page.
            status = GiveStorage(steady, offset, present, whole: false);
        }

        if (status == PageStatus.OutOfSpace && present.IsShared)
        {
            // When there was no room, what others have left was given up: perhaps they were those who lay here.
            LeadAlone(steady, block, block + Geometry.EntrySpan(Level.Pmd));
            status = MustCopyToStore(offset) ? status : PageStatus.Found;
        }

        return status;
    }

    private PageStatus GiveStorage(InvalidateLock.Steady steady, long offset, FileExtent present, bool whole)
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
        Leaves.Remove(taken.FileOffset, taken.FileEnd);
        LeaveRange(taken.FileOffset, taken.FileEnd);
        _extents.Set(taken);
        claim.Keep();
        Lead(Size);
        Leaves.Join(taken.FileOffset, taken.FileEnd);
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
    /// Whether a page that needs storage of its own gets it together with the 2 MiB around it: where all of them are
    /// a hole, or shared in one piece. (A file system with an extent-size hint of 2 MiB does so.)
    /// </summary>
    private bool TakesWholeBlock(long offset)
    {
        var present = ExtentAt(offset);
        long block = offset & -Geometry.EntrySpan(Level.Pmd);
        long end = block + Geometry.EntrySpan(Level.Pmd);
        return end <= Size
            && (present.Length == 0 || !Device.IsPoisoned(present.DeviceOffset + (block - present.FileOffset), end - block))
            && (present.Length == 0 ? _extents.IsHole(block, end) : present.IsShared && present.FileOffset <= block && end <= present.FileEnd);
    }

    /// <summary>Takes new space for a page, or for the 2 MiB around it; for the page alone where there is not enough.</summary>
    private Errno TakeSpace(SpaceClaim claim, long offset, bool whole, out FileExtent taken)
    {
        long block = Geometry.EntrySpan(Level.Pmd);
        var error = Errno.ENOSPC;
        long size = block;
        long at = 0;
        if (whole)
        {
            error = claim.Take(block, block, out at);
        }

        if (error == Errno.ENOSPC)
        {
            size = Geometry.PageSize;
            error = claim.Take(size, size, out at);
        }

        taken = new FileExtent(offset & -size, at, size);
        return error;
    }
}
