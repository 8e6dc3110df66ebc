using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Files;

/// <content>Changes of where the file lies.</content>
public sealed partial class DaxFile
{
    /// <summary>
    /// Takes a range out of the file and moves all that follows down (fallocate(2), FALLOC_FL_COLLAPSE_RANGE).
    /// </summary>
    /// <returns>EINVAL if offset or length are no multiples of 4 KiB, or the range reaches the end of the file.</returns>
    public Errno CollapseRange(long offset, long length)
    {
        if (offset < 0 || length <= 0 || ((offset | length) & (Level.PageSize - 1)) != 0)
        {
            return Errno.EINVAL;
        }

        return ChangeLayout(offset, long.MaxValue / 4, () => length >= Size - offset ? Errno.EINVAL : Errno.None, () =>
        {
            FreeRange(offset, offset + length);
            ShiftExtents(offset + length, -length);
            Size -= length;
            MarkMoved(offset);

            // Copies move with nothing; those that now lie past the end go, as with truncation.
            DropCopiesPastEnd();
        });
    }

    /// <summary>
    /// Puts a hole into the file and moves all that follows up (fallocate(2), FALLOC_FL_INSERT_RANGE).
    /// </summary>
    /// <returns>EINVAL if offset or length are no multiples of 4 KiB or the offset is not within the file; EFBIG if the file would become too large.</returns>
    public Errno InsertRange(long offset, long length)
    {
        if (offset < 0 || length <= 0 || ((offset | length) & (Level.PageSize - 1)) != 0)
        {
            return Errno.EINVAL;
        }

        return ChangeLayout(
            offset,
            long.MaxValue / 4,
            () => offset >= Size ? Errno.EINVAL : length > (long.MaxValue / 4) - Size ? Errno.EFBIG : Errno.None,
            () =>
            {
                ShiftExtents(offset, length);
                Size += length;
                MarkMoved(offset);
            });
    }

    /// <summary>
    /// Lets a range of this file lie where a range of another lies (ioctl FICLONERANGE). Both see the same bytes until
    /// one of them is written; then that page, or 2 MiB, is copied.
    /// </summary>
    /// <param name="source">A file on the same device.</param>
    /// <param name="sourceOffset">Where in the source; a multiple of 4 KiB.</param>
    /// <param name="length">Bytes; a multiple of 4 KiB.</param>
    /// <param name="offset">Where in this file; a multiple of 4 KiB.</param>
    /// <returns>EINVAL for what is not aligned, past the end of either file, or overlaps in one file; EXDEV's case (another device) is EINVAL too.</returns>
    public Errno CloneRange(DaxFile source, long sourceOffset, long length, long offset)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (source.Device != Device
            || sourceOffset < 0 || offset < 0 || length <= 0
            || ((sourceOffset | length | offset) & (Level.PageSize - 1)) != 0
            || (source == this && sourceOffset < offset + length && offset < sourceOffset + length)
            || offset > long.MaxValue / 4 - length || sourceOffset > long.MaxValue / 4 - length
            || offset + length > ((Size + Level.PageSize - 1) & -(long)Level.PageSize))
        {
            return Errno.EINVAL;
        }

        var pieces = new List<FileExtent>();
        for (bool mayStay = false; ; pieces.Clear())
        {
            var error = TryClone(source, sourceOffset, length, offset, pieces, mayStay);
            if (error != Errno.EAGAIN)
            {
                return error;
            }

            // The device is being emptied where the source lay. What cannot be moved for want of room is cloned where it is.
            foreach (var (start, end) in pieces.SelectMany(Device.BeingEmptied))
            {
                mayStay |= source.MoveAway(start, end) == Errno.ENOSPC;
            }
        }
    }

    /// <summary>Clones a range once.</summary>
    /// <returns>EAGAIN where the pieces lie on a part of the device that is being emptied; nothing has changed then.</returns>
    private Errno TryClone(DaxFile source, long sourceOffset, long length, long offset, List<FileExtent> pieces, bool mayStay)
    {
        // First the source stops writing in place and what it has there is counted twice; then it is put here.
        var error = source.ChangeLayout(
            sourceOffset,
            sourceOffset + length,
            () => sourceOffset + length > ((source.Size + Level.PageSize - 1) & -(long)Level.PageSize) ? Errno.EINVAL : Errno.None,
            () =>
            {
                foreach (var extent in source._extents.Within(sourceOffset, sourceOffset + length))
                {
                    pieces.Add(extent with { IsShared = true });
                    Device.Space.Share(extent.DeviceOffset, extent.Length);
                }

                // What this file is given is not marked in it as written: it must be durable already.
                source.MakeDurable(sourceOffset, sourceOffset + length);
                pieces.ForEach(source.SetExtent);
            });
        if (error != Errno.None)
        {
            return error;
        }

        error = ChangeLayout(
            offset,
            offset + length,
            () => offset + length > ((Size + Level.PageSize - 1) & -(long)Level.PageSize) ? Errno.EINVAL
                : !mayStay && pieces.Exists(piece => Device.BeingEmptied(piece).Any()) ? Errno.EAGAIN
                : Errno.None,
            () =>
            {
                FreeRange(offset, offset + length);
                pieces.ForEach(piece => SetExtent(piece with { FileOffset = piece.FileOffset - sourceOffset + offset }));
            });
        if (error != Errno.None)
        {
            foreach (var piece in pieces)
            {
                Device.Give(piece.DeviceOffset, piece.Length);
            }
        }

        return error;
    }

    /// <inheritdoc/>
    internal override PageStatus Allocate(long offset)
    {
        // Only leaves of what gets storage are taken away: other pages of the 2 MiB, perhaps just populated, stay.
        var status = PageStatus.Found;
        var taken = default(FileExtent);
        bool whole = TakesWholeBlock(offset);
        long size = Level.EntrySpan(whole ? Level.Pmd : Level.Pte);
        ChangeLayout(
            offset & -size,
            (offset & -size) + size,
            () =>
            {
                if (IsPastEnd(offset))
                {
                    status = PageStatus.PastEnd;
                    return Errno.EINVAL;
                }

                var present = _extents.At(offset);
                if (present.Length != 0 && !present.IsShared)
                {
                    return Errno.EAGAIN; // somebody was quicker
                }

                if (!TryTakeSpace(offset, whole && TakesWholeBlock(offset), present, out taken))
                {
                    status = PageStatus.OutOfSpace;
                    return Errno.ENOSPC;
                }

                return Errno.None;
            },
            () =>
            {
                foreach (var old in _extents.Within(taken.FileOffset, taken.FileEnd))
                {
                    Device.Copy(old.DeviceOffset, taken.DeviceOffset + (old.FileOffset - taken.FileOffset), old.Length);
                    Device.Give(old.DeviceOffset, old.Length);

                    // The whole copy is new to the device, not only the page that is stored to.
                    MarkOrMakeDurable(old.FileOffset, old.Length);
                }

                SetExtent(taken);
            });
        return status;
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
        while (true)
        {
            // One 2 MiB of the file at a time, so that nobody waits long.
            var piece = Movable(deviceStart, deviceEnd).FirstOrDefault();
            if (piece.Length == 0)
            {
                return Errno.None;
            }

            var error = Move(piece);
            if (error is not (Errno.None or Errno.EAGAIN))
            {
                return error;
            }
        }
    }

    /// <summary>
    /// Whether any of the file that has not failed lies on a range of the device that is out of use. A change of the layout
    /// that has taken space there before comes to its end first; one that begins later takes none.
    /// </summary>
    internal bool CanMoveFrom(long deviceStart, long deviceEnd)
    {
        using var change = Tables.Invalidate.Change();
        return Movable(deviceStart, deviceEnd).Any();
    }

    /// <summary>The pieces of the file on a range of the device that have not failed, none larger than 2 MiB.</summary>
    private IEnumerable<FileExtent> Movable(long deviceStart, long deviceEnd) =>
        _extents.Within(0, long.MaxValue)
            .Where(extent => extent.DeviceOffset < deviceEnd && deviceStart < extent.DeviceEnd)
            .Select(extent => ExtentMap.Slice(extent, extent.FileOffset + (deviceStart - extent.DeviceOffset), extent.FileOffset + (deviceEnd - extent.DeviceOffset)))
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
        long target = 0;
        return ChangeLayout(
            piece.FileOffset,
            piece.FileEnd,
            () =>
            {
                var present = _extents.At(piece.FileOffset);
                if (present.Length == 0
                    || Device.IsPoisoned(piece.DeviceOffset, piece.Length)
                    || ExtentMap.Slice(present, piece.FileOffset, piece.FileEnd) is var now && (now.DeviceOffset != piece.DeviceOffset || now.Length != piece.Length))
                {
                    return Errno.EAGAIN;
                }

                long alignment = piece.Length == Level.EntrySpan(Level.Pmd) ? piece.Length : Level.PageSize;
                return Device.Space.TryTake(piece.Length, alignment, out target)
                    || Device.Space.TryTake(piece.Length, Level.PageSize, out target)
                        ? Errno.None
                        : Errno.ENOSPC;
            },
            () =>
            {
                Device.Copy(piece.DeviceOffset, target, piece.Length);
                SetExtent(new FileExtent(piece.FileOffset, target, piece.Length));
                Device.Give(piece.DeviceOffset, piece.Length);

                // The copy is new to the device: it is written back with the next fsync.
                MarkOrMakeDurable(piece.FileOffset, piece.Length);
            });
    }

    /// <summary>Whether any of the file lies where memory of a range of the device has failed.</summary>
    internal bool HasFailedOn(long deviceStart, long deviceEnd) =>
        _extents.Within(0, long.MaxValue).Any(extent =>
            Math.Max(extent.DeviceOffset, deviceStart) is var from
            && Math.Min(extent.DeviceEnd, deviceEnd) is var to
            && from < to
            && Device.IsPoisoned(from, to - from));

    /// <summary>
    /// Removes the leaves of a range of the device whose memory has failed, wherever the file shows it; from then on
    /// faults find the poison.
    /// </summary>
    internal void RemovePoisoned(long deviceStart, long deviceEnd)
    {
        foreach (var extent in _extents.Within(0, long.MaxValue).Where(extent => extent.DeviceOffset < deviceEnd && deviceStart < extent.DeviceEnd))
        {
            long from = extent.FileOffset + Math.Max(0, deviceStart - extent.DeviceOffset);
            ChangeLayout(from, from + Math.Min(deviceEnd, extent.DeviceEnd) - Math.Max(deviceStart, extent.DeviceOffset), () => Errno.None, () => { });
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
    private bool TryTakeSpace(long offset, bool whole, FileExtent present, out FileExtent taken)
    {
        long hint = Level.EntrySpan(Level.Pmd);
        long block = offset & -hint;
        if (whole && Device.Space.TryTake(hint, hint, out long at))
        {
            taken = new FileExtent(block, at, hint);
        }
        else if (Device.Space.TryTake(Level.PageSize, Level.PageSize, out at))
        {
            taken = new FileExtent(offset & -(long)Level.PageSize, at, Level.PageSize);
        }
        else
        {
            taken = default;
            return false;
        }

        if (present.Length == 0)
        {
            Device.Clear(taken.DeviceOffset, taken.Length);
        }

        return true;
    }

    /// <summary>Marks a range as written; where there is no memory for marks, writes it back at once.</summary>
    private void MarkOrMakeDurable(long offset, long length)
    {
        if (!_dirty.TryMark(offset, length))
        {
            MakeDurable(offset, offset + length);
        }
    }

    private void ShiftExtents(long from, long distance)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        _extents.Shift(from, distance);
        NoteMetadata();
    }

    /// <summary>After a shift, everything from an offset on counts as written: the marks stood at the old offsets.</summary>
    private void MarkMoved(long from)
    {
        _dirty.Forget(from, long.MaxValue / 4);
        foreach (var extent in _extents.Within(from, long.MaxValue))
        {
            MarkOrMakeDurable(extent.FileOffset, extent.Length);
        }
    }
}
