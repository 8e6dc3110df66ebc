using System.Diagnostics;
using Pando.Concurrency;
using Pando.Costs;
using Pando.Hardware;
using Pando.Intervals;

namespace Pando.Files;

/// <summary>
/// Whose the space of a device is: free pieces, pieces that several files share, and pieces that files have left and may lead
/// to again after a crash. First fit, lowest first. Each operation costs the logarithm of the pieces there are, for each piece that it changes, and allocates no managed memory, since
/// faults take space too. Safe for threads.
/// </summary>
internal sealed class DeviceSpace
{
    private readonly IntervalTree<FreeSpace, FreePieces> _free = new(null);

    // What is taken and not here is one file's, which has not left it.
    private readonly IntervalMap<Sharers> _shared = new();

    // What all files on it have left.
    private readonly IntervalSet _leaving = new();

    // What may be given to nobody any more, and how much of it nobody has.
    private readonly IntervalSet _outOfUse = new();
    private long _retired;
    private int _lock;

    private readonly FreeSpace _shape;

    public DeviceSpace(long size, TableGeometry geometry)
    {
        _shape = FreeSpace.Of(geometry);
        _free.Set(0, size, _shape);
    }

    /// <summary>Bytes free, in all pieces.</summary>
    public long Free => _free.Length;

    /// <summary>Bytes that are out of use for ever.</summary>
    public long Retired => Interlocked.Read(ref _retired);

    /// <summary>Bytes that all files on them have left: free, or out of use, as soon as that is durable.</summary>
    public long Leaving
    {
        get
        {
            using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
            return _leaving.Length;
        }
    }

    /// <summary>Those of them that nobody will be given. Costs by their pieces.</summary>
    public long LeavingOutOfUse
    {
        get
        {
            using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
            long sum = 0;
            foreach (var left in _outOfUse.Count == 0 ? [] : _leaving)
            {
                for (long at = left.Start; _outOfUse.TryGetNext(at, out var range) && range.Start < left.End; at = range.End)
                {
                    sum += range.Slice(left.Start, left.End).Length;
                }
            }

            return sum;
        }
    }

    /// <summary>Takes a piece of that length from a multiple of 1, of a page, or of what an entry of level 2 or 3 covers on (4 KiB, 2 MiB, 1 GiB); false where there is none.</summary>
    public bool TryTake(long length, long alignment, out long start)
    {
        start = 0;
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        bool found = _free.TryFind(new FreePieces.Fit(_shape, length, alignment), out var piece);
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
    public void Share(long start, long length) => Change(start, length, files: 1, leaving: 0);

    /// <summary>A file has left a piece; it counts there until that is durable, and <see cref="GiveLeft"/> is called.</summary>
    public void Leave(long start, long length) => Change(start, length, files: 0, leaving: 1);

    /// <summary>A file has left a piece, and after a crash it does not lie there any more.</summary>
    public void GiveLeft(long start, long length) => Change(start, length, files: -1, leaving: -1);

    /// <summary>
    /// A file, which no crash brings back there, lies on a piece no more; what no file lies on is free, and joined to its neighbours.
    /// </summary>
    public void Give(long start, long length) => Change(start, length, files: -1, leaving: 0);

    /// <summary>How many files lie where a piece that is taken begins, and how far that is the same.</summary>
    public Sharers FilesOn(long start, long length, out long same)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        var part = PartAt(start, start + length);
        same = part.Length;
        return part.Value;
    }

    /// <summary>
    /// What is free, what does not belong to one file which has not left it, and what is out of use; for the auditor.
    /// </summary>
    public (List<Interval<FreeSpace>> Free, List<Interval<Sharers>> Shared, List<Interval<Present>> OutOfUse) Snapshot()
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        return ([.. _free], [.. _shared], [.. _outOfUse]);
    }

    private void Change(long start, long length, int files, int leaving)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        for (long at = start; at < start + length;)
        {
            var part = PartAt(at, start + length);
            var now = new Sharers(part.Value.Files + files, part.Value.Leaving + leaving);
            Debug.Assert(now.Files >= now.Leaving && now.Leaving >= 0, "Nobody leaves space that is not his, or shares what all have left.");
            if (now.Files == 0)
            {
                GiveOrRetire(part.Start, part.End);
            }

            if (now.Files == 0 || now == Sharers.One)
            {
                _shared.Remove(part.Start, part.End);
            }
            else
            {
                _shared.Set(part.Start, part.End, now);
            }

            if (now.Files > 0 && now.Files == now.Leaving)
            {
                _leaving.Add(part.Start, part.End);
            }
            else
            {
                _leaving.Remove(part.Start, part.End);
            }

            at = part.End;
        }
    }

    /// <summary>What begins at a place that is taken, and has the same number of files from there on, up to an end.</summary>
    private Interval<Sharers> PartAt(long at, long end)
    {
        Cost.Count(CostKind.Extent);
        bool any = _shared.TryGetNext(at, out var next) && next.Start < end;
        return !any ? new(at, end, Sharers.One)
            : next.Start > at ? new(at, next.Start, Sharers.One)
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
                _free.Set(at, free, _shape);
            }

            at = any ? Math.Min(end, next.End) : end;
            _retired += at - free;
        }
    }
}
