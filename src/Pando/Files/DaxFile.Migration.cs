using Pando.Hardware;

namespace Pando.Files;

/// <content>What the device asks of its files: to leave a range of it, and to show no memory that has failed.</content>
public sealed partial class DaxFile
{
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

    private IEnumerable<FileExtent> InBlocks(FileExtent extent)
    {
        long size = Geometry.EntrySpan(Level.Pmd);
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
        long alignment = piece.Length == Geometry.EntrySpan(Level.Pmd) ? piece.Length : Geometry.PageSize;
        var error = claim.Take(piece.Length, alignment, out long target);
        if (error == Errno.ENOSPC && alignment > Geometry.PageSize)
        {
            error = claim.Take(piece.Length, Geometry.PageSize, out target);
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
}
