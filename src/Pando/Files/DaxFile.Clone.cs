using Pando.Concurrency;

namespace Pando.Files;

/// <content>Clones (reflink): two files that lie in one place, until one of them is stored to.</content>
public sealed partial class DaxFile
{
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
            || !Geometry.IsPageAligned(sourceOffset | length | offset)
            || (source == this && sourceOffset < offset + length && offset < sourceOffset + length)
            || offset > MaxSize - length || sourceOffset > MaxSize - length
            || IsPastEnd(offset + length - 1))
        {
            return Errno.EINVAL;
        }

        for (bool mayStay = false; ;)
        {
            using var claim = new SpaceClaim(Device, this);
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
        using var held = Layout.Hold();
        if (IsPastEnd(start + length - 1))
        {
            return Errno.EINVAL;
        }

        using (WriteBacks.Hold())
        {
            // What the other file is given is not marked in it as written: it must be durable already. Most of it is written back
            // beside faults, the rest when no more can be stored.
            var error = WriteBacks.WriteHeld(start, start + length, DurabilityPart.CloneSource, layoutHeld: false);
            if (error != Errno.None)
            {
                return error;
            }

            using var withdrawal = new Withdrawal(this, start, start + length);
            error = WriteBacks.WriteHeld(start, start + length, DurabilityPart.CloneSource, layoutHeld: false);
            if (error != Errno.None)
            {
                return error;
            }

            using var change = withdrawal.Exclude();
            error = WriteBacks.WriteHeld(start, start + length, DurabilityPart.CloneSourceRest, layoutHeld: true);
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
        end = Leaves.PieceEnd(start, PieceEnd(start, end));

        // What was read since may be shown by a large leaf, of which only a part is shared now.
        using var excluded = steady.ExcludeFaults();
        Leaves.Remove(start, end);
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
        using var held = Layout.Hold();
        if (IsPastEnd(offset + length - 1))
        {
            return Errno.EINVAL;
        }

        // A migration that begins later finds what is put in here: it waits for the end of the change.
        if (!mayStay && claim.Shared.Any(piece => Device.BeingEmptied(piece).Any()))
        {
            return Errno.EAGAIN;
        }

        using (Replace(offset, offset + length, Prepare(claim.Shared), claim))
        {
            // What was there is noted as left.
        }

        Leaves.JoinInPieces(offset, offset + length);
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
        using var marks = WriteBacks.Hold();
        using var withdrawal = new Withdrawal(this, start, end);
        using var change = withdrawal.Exclude();
        return new CutExtents(
            this,
            () =>
            {
                var before = _extents.Replace(start, end, part);
                claim.Keep();
                Lead(Size);
                _dirty.Forget(start, end);
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
            long pieceEnd = Leaves.PieceEnd(start, PieceEnd(start, end));
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
            Leaves.Remove(extent.FileOffset, extent.FileEnd);
            _extents.Set(extent with { IsShared = false });
        }
        while (TryGetAlone(extent.FileEnd, end, out extent));
        Leaves.Join(start, end);
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
}
