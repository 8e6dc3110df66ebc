namespace Pando.Files;

/// <content>Taking a part of the device out of use.</content>
public sealed partial class PmemDevice
{
    /// <summary>
    /// Moves everything that lies on a range of the device elsewhere, while processes read and write it, and takes
    /// the range out of use (say, because it is failing).
    /// </summary>
    /// <returns>
    /// EINVAL if the range is not whole 4 KiB pages of the device; ENOSPC if there is no room, and then what could be
    /// moved has been moved; EIO if a part has failed already: that part stays where it is, everything else has been moved;
    /// or if the storage fails. Without an error nothing leads to the range after a crash either.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The device has been closed.</exception>
    public Errno Migrate(long offset, long length)
    {
        using var use = InUse();
        if (offset < 0 || length <= 0 || !Geometry.IsPageAligned(offset | length) || offset > Size - length)
        {
            return Errno.EINVAL;
        }

        Space.Retire(offset, offset + length);

        // Again where a file was given a part that had not been dealt with when it was looked for (reflink), or had taken space of
        // the range before that was out of use.
        do
        {
            var error = ForEachOwner(offset, offset + length, (file, owner) => file.MoveAway(owner, offset, offset + length));
            if (error != Errno.None)
            {
                return error;
            }

            WaitForClaims();
        }
        while (ForEachOwner(offset, offset + length, (file, owner) => file.CanMove(owner, offset, offset + length) ? Errno.EAGAIN : Errno.None) == Errno.EAGAIN);

        var committed = IsLeftOut(DurabilityPart.CommitMigration) ? Errno.None : CommitLeft(out _);
        return committed != Errno.None ? committed
            : ForEachOwner(offset, offset + length, (file, owner) => file.HasFailedOn(owner, offset, offset + length) ? Errno.EIO : Errno.None);
    }

    /// <summary>
    /// Waits for the changes of layouts that have taken space, or are about to. Those that had taken some that is out of use have led
    /// their files there; one that begins later takes none.
    /// </summary>
    private void WaitForClaims()
    {
        foreach (var file in Claims.Files().Where(file => file.TryAddUser()))
        {
            try
            {
                file.WaitForChange();
            }
            finally
            {
                file.RemoveUser();
            }
        }
    }

    /// <summary>The parts of an extent that lie where the device is being emptied, or was: only what has failed stays there.</summary>
    internal IEnumerable<FileExtent> BeingEmptied(FileExtent extent) => WithoutPoison(extent).SelectMany(OutOfUse);

    private IEnumerable<FileExtent> OutOfUse(FileExtent part)
    {
        for (long at = part.DeviceOffset; at < part.DeviceEnd;)
        {
            var (start, length) = Space.FirstOutOfUse(at, part.DeviceEnd - at);
            if (length == 0)
            {
                yield break;
            }

            at = start + length;
            long distance = part.FileOffset - part.DeviceOffset;
            yield return ExtentMap.Slice(part, start + distance, at + distance);
        }
    }
}
