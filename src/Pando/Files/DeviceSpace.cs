using Pando.Concurrency;
using Pando.Intervals;

namespace Pando.Files;

/// <summary>
/// Whose the space of a device is: free pieces, and pieces that several files share. First fit, lowest first. Each operation
/// costs the logarithm of the pieces there are, for each piece that it changes, and allocates no managed memory, since
/// faults take space too. Safe for threads.
/// </summary>
internal sealed class DeviceSpace
{
    private readonly IntervalTree<Present, FreePieces> _free = new(null);
    private readonly IntervalMap<Sharers> _shared = new();

    // What may be given to nobody any more, and how much of it nobody has.
    private readonly IntervalSet _outOfUse = new();
    private long _retired;
    private int _lock;

    public DeviceSpace(long size) => _free.Set(0, size, default);

    /// <summary>Bytes free, in all pieces.</summary>
    public long Free => _free.Length;

    /// <summary>Bytes that are out of use for ever.</summary>
    public long Retired => Interlocked.Read(ref _retired);

    /// <summary>Takes a piece of that length from a multiple of 1, 4 KiB, 2 MiB or 1 GiB on; false where there is none.</summary>
    public bool TryTake(long length, long alignment, out long start)
    {
        start = 0;
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        bool found = _free.TryFind(new FreePieces.Fit(length, alignment), out var piece);
        if (found)
        {
            start = (piece.Start + alignment - 1) & -alignment;
            _free.Remove(start, start + length);
        }

        return found;
    }

    /// <summary>Takes exactly that piece; false where a part of it is taken or lies outside.</summary>
    public bool TryTakeAt(long start, long length)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        bool free = _free.TryGet(start, out var piece) && length <= piece.End - start;
        if (free)
        {
            _free.Remove(start, start + length);
        }

        return free;
    }

    /// <summary>
    /// Takes a range out of use for ever: what is free of it now, and the rest in the moment in which it is given
    /// back, so that nobody can take it in between.
    /// </summary>
    public void Retire(long start, long end)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        _outOfUse.Add(start, end);
        long before = _free.Length;
        _free.Remove(start, end);
        _retired += before - _free.Length;
    }

    /// <summary>Whether any part of a piece is out of use.</summary>
    public bool IsOutOfUse(long start, long length)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        return _outOfUse.Overlaps(start, start + length);
    }

    /// <summary>The first part of a piece that is out of use; one of length 0 if none is.</summary>
    public (long Start, long Length) FirstOutOfUse(long start, long length)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        bool any = _outOfUse.TryGetNext(start, out var range) && range.Start < start + length;
        range = any ? range.Slice(start, start + length) : default;
        return (range.Start, range.Length);
    }

    /// <summary>One file more lies on a piece that is taken.</summary>
    public void Share(long start, long length)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        for (long at = start; at < start + length;)
        {
            var part = PartAt(at, start + length);
            _shared.Set(part.Start, part.End, new Sharers(part.Value.Files + 1));
            at = part.End;
        }
    }

    /// <summary>Whether more than one file lies on any part of a piece.</summary>
    public bool IsShared(long start, long length)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        return _shared.Overlaps(start, start + length);
    }

    /// <summary>One file less lies on a piece; what no file lies on any more is free, and joined to its neighbours.</summary>
    public void Give(long start, long length)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        for (long at = start; at < start + length;)
        {
            var part = PartAt(at, start + length);
            if (part.Value.Files == 1)
            {
                GiveOrRetire(part.Start, part.End);
            }
            else if (part.Value.Files == 2)
            {
                _shared.Remove(part.Start, part.End);
            }
            else
            {
                _shared.Set(part.Start, part.End, new Sharers(part.Value.Files - 1));
            }

            at = part.End;
        }
    }

    /// <summary>What begins at a place that is taken, and has the same number of files from there on, up to an end.</summary>
    private Interval<Sharers> PartAt(long at, long end)
    {
        bool any = _shared.TryGetNext(at, out var next) && next.Start < end;
        return !any ? new(at, end, new Sharers(1))
            : next.Start > at ? new(at, next.Start, new Sharers(1))
            : next.Slice(at, end);
    }

    private void GiveOrRetire(long start, long end)
    {
        for (long at = start; at < end;)
        {
            bool any = _outOfUse.TryGetNext(at, out var next) && next.Start < end;
            long free = any ? Math.Max(at, next.Start) : end;
            if (free > at)
            {
                _free.Set(at, free, default);
            }

            at = any ? Math.Min(end, next.End) : end;
            _retired += at - free;
        }
    }
}
