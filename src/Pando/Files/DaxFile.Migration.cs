using Pando.Hardware;

namespace Pando.Files;

/// <content>What the device asks of its files: to leave a range of it, and to show no memory that has failed.</content>
public sealed partial class DaxFile
{
    /// <summary>
    /// Moves what of an extent lies on a range of the device elsewhere. While a piece is copied, who touches it waits: no store is lost.
    /// </summary>
    /// <returns>
    /// ENOSPC if the device has no room; what was moved by then stays moved. What has failed stays where it is: its
    /// bytes are lost, and a copy would hide that.
    /// </returns>
    internal Errno MoveAway(in ExtentOwner owner, long deviceStart, long deviceEnd)
    {
        // One 2 MiB of the file at a time, so that nobody waits long.
        foreach (var piece in InBlocks(PartOn(owner, deviceStart, deviceEnd)).SelectMany(Device.WithoutPoison))
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

    /// <summary>Whether any of an extent that has not failed lies on a range of the device.</summary>
    internal bool CanMove(in ExtentOwner owner, long deviceStart, long deviceEnd) =>
        Device.WithoutPoison(PartOn(owner, deviceStart, deviceEnd)).Any();

    /// <summary>Waits for the change of the layout that is under way, if there is one.</summary>
    internal void WaitForChange()
    {
        using (Layout.Hold())
        using (Tables.Invalidate.Hold())
        {
            // Here it has ended.
        }
    }

    /// <summary>The part of an extent that lies on a range of the device, where it stands at this moment; of length 0 where the file does not lead there.</summary>
    private FileExtent PartOn(in ExtentOwner owner, long deviceStart, long deviceEnd)
    {
        using var steady = Tables.Invalidate.Hold();
        return HeldPartOn(owner, deviceStart, deviceEnd);
    }

    /// <summary>The extent that stands at a place of the device; for the auditor, at rest.</summary>
    internal FileExtent ExtentOf(in ExtentOwner owner) => _extents.Numbered(owner.Number);

    /// <summary>
    /// As <see cref="PartOn"/>, while the layout is held. What has been cut, joined or moved since it was found is found again.
    /// </summary>
    private FileExtent HeldPartOn(in ExtentOwner owner, long deviceStart, long deviceEnd)
    {
        var extent = Device.Owners.Has(owner) ? _extents.Numbered(owner.Number) : default;
        long distance = extent.FileOffset - extent.DeviceOffset;
        return extent.Length == 0 ? default : ExtentMap.Slice(extent, deviceStart + distance, deviceEnd + distance);
    }

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

        using var claim = new SpaceClaim(Device, this);
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
        Leaves.Remove(piece.FileOffset, piece.FileEnd);
        error = Device.Copy(piece.DeviceOffset, target, piece.Length, DurabilityPart.Migration);
        if (error != Errno.None)
        {
            return Device.IsPoisoned(piece.DeviceOffset, piece.Length) ? Errno.EAGAIN : error;
        }

        LeaveRange(piece.FileOffset, piece.FileEnd);
        _extents.Set(new FileExtent(piece.FileOffset, target, piece.Length));
        claim.Keep();
        Lead(Size);
        Leaves.Join(piece.FileOffset, piece.FileEnd);
        return Errno.None;
    }

    /// <summary>Whether memory of what of an extent lies on a range of the device has failed.</summary>
    internal bool HasFailedOn(in ExtentOwner owner, long deviceStart, long deviceEnd) =>
        PartOn(owner, deviceStart, deviceEnd) is { Length: > 0 } part && Device.IsPoisoned(part.DeviceOffset, part.Length);

    /// <summary>
    /// Removes the leaves of a range of the device whose memory has failed, where the file shows it by an extent; from then on
    /// faults find the poison.
    /// </summary>
    internal void RemoveFailed(in ExtentOwner owner, long deviceStart, long deviceEnd)
    {
        using var change = Tables.Invalidate.Change();
        var part = HeldPartOn(owner, deviceStart, deviceEnd);
        if (part.Length > 0)
        {
            Leaves.Remove(part.FileOffset, part.FileEnd);
        }
    }
}
