using Pando.Intervals;

namespace Pando.Files;

/// <summary>
/// Space of a device that was taken, or counted once more, for a file that does not lead there yet. What is not kept is given
/// back when the scope ends, and then it is empty, to be used again. For one thread.
/// </summary>
/// <param name="device">The device.</param>
/// <param name="file">The file that is about to lead there; null where it is being made.</param>
internal sealed class SpaceClaim(PmemDevice device, DaxFile? file) : IDisposable
{
    private readonly List<FileExtent> _pieces = new(1);
    private bool _isUnderWay;

    // By the offset in the file that is about to lead there.
    private IntervalMap<DevicePlace>? _shared;

    /// <summary>The file that is about to lead to what is taken; null where it is being made.</summary>
    public DaxFile? File => file;

    /// <summary>The claim that began before, of those that are under way. Under the lock of <see cref="SpaceClaims"/>.</summary>
    internal SpaceClaim? Next { get; set; }

    /// <summary>The claim that began after.</summary>
    internal SpaceClaim? Previous { get; set; }

    /// <summary>What was counted once more, in the order of the file that is about to lead there.</summary>
    public IEnumerable<FileExtent> Shared => _shared?.Select(ExtentMap.ExtentOf) ?? [];

    /// <summary>
    /// Takes a piece of that length, aligned. Where there is none, what files have left is waited for: their metadata are made
    /// durable.
    /// </summary>
    /// <returns>ENOSPC; EIO if metadata cannot be made durable.</returns>
    public Errno Take(long length, long alignment, out long start)
    {
        // Room first: what was taken must be in the list.
        _pieces.EnsureCapacity(_pieces.Count + 1);
        Begin();
        start = 0;
        var error = Errno.None;
        for (bool isLast = false; error == Errno.None && !device.Space.TryTake(length, alignment, out start);)
        {
            error = isLast ? Errno.ENOSPC : CommitLeft(out isLast);
        }

        if (error == Errno.None)
        {
            _pieces.Add(new FileExtent(0, start, length));
        }

        return error;
    }

    /// <summary>Takes exactly that piece.</summary>
    /// <returns>ENOSPC where a part of it is taken or lies outside; EIO if metadata cannot be made durable.</returns>
    public Errno TakeAt(FileExtent piece)
    {
        _pieces.EnsureCapacity(_pieces.Count + 1);
        Begin();
        var error = Errno.None;
        for (bool isLast = false; error == Errno.None && !device.Space.TryTakeAt(piece.DeviceOffset, piece.Length);)
        {
            error = isLast ? Errno.ENOSPC : CommitLeft(out isLast);
        }

        if (error == Errno.None)
        {
            _pieces.Add(piece);
        }

        return error;
    }

    /// <summary>Counts a piece once more. The caller's file leads there, and its layout does not change meanwhile.</summary>
    public void Share(FileExtent piece)
    {
        Begin();
        device.Space.Share(piece.DeviceOffset, piece.Length);
        (_shared ??= new()).Set(piece.FileOffset, piece.FileEnd, new DevicePlace(piece.DeviceOffset, piece.IsShared));
    }

    /// <summary>A file leads there now: nothing is given back any more.</summary>
    public void Keep()
    {
        _pieces.Clear();

        // Nobody waits until it is taken apart: others may wait for this.
        _shared = null;
        if (_isUnderWay)
        {
            _isUnderWay = false;
            device.Claims.End(this);
        }
    }

    /// <summary>Gives back what is not kept.</summary>
    public void Dispose()
    {
        foreach (var piece in _pieces)
        {
            device.Space.Give(piece.DeviceOffset, piece.Length);
        }

        if (_shared is not null)
        {
            foreach (var piece in _shared)
            {
                device.Space.Give(piece.Value.Offset, piece.Length);
            }
        }

        Keep();
    }

    private void Begin()
    {
        if (!_isUnderWay)
        {
            _isUnderWay = true;
            device.Claims.Begin(this);
        }
    }

    /// <param name="isLast">Whether nothing more will come free.</param>
    /// <returns>ENOSPC where nothing can come free; EIO.</returns>
    private Errno CommitLeft(out bool isLast)
    {
        isLast = true;
        if (!device.IsAnyLeaving)
        {
            return Errno.ENOSPC;
        }

        var error = device.CommitLeft(out bool hasGiven);
        isLast = !hasGiven;
        return error;
    }
}
