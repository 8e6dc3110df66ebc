using Pando.Intervals;

namespace Pando.Files;

/// <content>What of the device's memory has failed.</content>
public sealed partial class PmemDevice
{
    // By device offset. Changed under the lock of the device's files; read without.
    private readonly IntervalTree<Present, NoSummary<Present>> _failed;

    internal bool HasPoison => _failed.Count > 0;

    /// <summary>
    /// The memory of a page has failed: every process that touches it from now on gets a hardware-poison bus error.
    /// </summary>
    /// <returns>EINVAL if the offset is not that of a page of the device.</returns>
    /// <exception cref="ObjectDisposedException">The device has been closed.</exception>
    public Errno Poison(long offset)
    {
        using var use = InUse();
        return offset < 0 || offset >= Size || !Geometry.IsPageAligned(offset) ? Errno.EINVAL : PoisonPage(offset);
    }

    /// <summary>The same for a page of the device that one of its files has.</summary>
    internal Errno PoisonPage(long offset)
    {
        using (_lock.Hold())
        {
            _failed.Set(offset, offset + Geometry.PageSize, default);
        }

        // Faults see the poison from here on; who shows the page already loses it now.
        ForEachOwner(offset, offset + Geometry.PageSize, (file, owner) =>
        {
            file.RemoveFailed(owner, offset, offset + Geometry.PageSize);
            return Errno.None;
        });

        // Nobody is given it any more.
        Space.Retire(offset, offset + Geometry.PageSize);
        return Errno.None;
    }

    /// <summary>The parts of an extent whose memory has not failed.</summary>
    internal IEnumerable<FileExtent> WithoutPoison(FileExtent extent)
    {
        for (long at = extent.DeviceOffset; at < extent.DeviceEnd;)
        {
            var (start, end) = FirstPoison(at, extent.DeviceEnd);
            if (start > at)
            {
                yield return ExtentMap.Slice(extent, extent.FileOffset + (at - extent.DeviceOffset), extent.FileOffset + (start - extent.DeviceOffset));
            }

            at = end;
        }
    }

    /// <summary>The first part of a range whose memory has failed; where none has, nothing at the range's end.</summary>
    private (long Start, long End) FirstPoison(long start, long end)
    {
        using var epoch = _store.Epochs.Enter();
        return _failed.TryGetNext(start, out var failed) && failed.Start < end
            ? (Math.Max(start, failed.Start), Math.Min(end, failed.End))
            : (end, end);
    }

    internal bool IsPoisoned(long offset, long length)
    {
        return HasPoison && FirstPoison(offset, offset + length).Start < offset + length;
    }
}
