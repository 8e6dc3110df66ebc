using Pando.Concurrency;

namespace Pando.Files;

/// <summary>
/// Whose the space of a device is: free pieces, and pieces that several files share. First fit, lowest first. Safe
/// for threads.
/// </summary>
internal sealed class DeviceSpace
{
    // Both by start; pieces never overlap and free ones never touch.
    private readonly SortedList<long, long> _free = [];
    private readonly SortedList<long, (long Length, int Files)> _shared = [];

    // What may be given to nobody any more.
    private readonly List<(long Start, long End)> _outOfUse = [];
    private long _retired;
    private int _lock;

    public DeviceSpace(long size) => _free.Add(0, size);

    /// <summary>Bytes free, in all pieces.</summary>
    public long Free
    {
        get
        {
            using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
            return _free.Values.Sum();
        }
    }

    /// <summary>Takes a piece of that length, aligned; false where there is none.</summary>
    public bool TryTake(long length, long alignment, out long start)
    {
        start = 0;
        bool taken = false;
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        for (int i = 0; i < _free.Count && !taken; i++)
        {
            start = (_free.Keys[i] + alignment - 1) & -alignment;
            if (start + length <= _free.Keys[i] + _free.Values[i])
            {
                Carve(i, start, length);
                taken = true;
            }
        }

        return taken;
    }

    /// <summary>Takes exactly that piece; false where a part of it is taken or lies outside.</summary>
    public bool TryTakeAt(long start, long length)
    {
        bool taken = false;
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        for (int i = 0; i < _free.Count && _free.Keys[i] <= start && !taken; i++)
        {
            if (start + length <= _free.Keys[i] + _free.Values[i])
            {
                Carve(i, start, length);
                taken = true;
            }
        }

        return taken;
    }

    /// <summary>Bytes that are out of use for ever.</summary>
    public long Retired => Interlocked.Read(ref _retired);

    /// <summary>
    /// Takes a range out of use for ever: what is free of it now, and the rest in the moment in which it is given
    /// back, so that nobody can take it in between.
    /// </summary>
    public void Retire(long start, long end)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);

        // Ranges that touch become one, so that page after page out of use does not make a long list.
        var whole = (Start: start, End: end);
        foreach (var range in _outOfUse.Where(range => range.Start <= end && start <= range.End))
        {
            whole = (Math.Min(whole.Start, range.Start), Math.Max(whole.End, range.End));
        }

        _outOfUse.RemoveAll(range => range.Start >= whole.Start && range.End <= whole.End);
        _outOfUse.Add(whole);
        for (int i = 0; i < _free.Count; i++)
        {
            long from = Math.Max(start, _free.Keys[i]);
            long to = Math.Min(end, _free.Keys[i] + _free.Values[i]);
            if (from < to)
            {
                Carve(i, from, to - from);
                _retired += to - from;
                i = -1;
            }
        }
    }

    /// <summary>Whether any part of a piece is out of use.</summary>
    public bool IsOutOfUse(long start, long length) => OutOfUse(start, length).Count > 0;

    /// <summary>The parts of a piece that are out of use.</summary>
    public List<(long Start, long End)> OutOfUse(long start, long length)
    {
        var parts = new List<(long Start, long End)>();
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        foreach (var (from, to) in _outOfUse)
        {
            if (from < start + length && start < to)
            {
                parts.Add((Math.Max(start, from), Math.Min(start + length, to)));
            }
        }

        return parts;
    }

    /// <summary>One file more lies on a piece that is taken.</summary>
    public void Share(long start, long length)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        ForEachPiece(start, length, (from, count, files) => _shared[from] = (count, files + 1));
    }

    /// <summary>Whether more than one file lies on any part of a piece.</summary>
    public bool IsShared(long start, long length)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        bool shared = false;
        foreach (var (from, piece) in _shared)
        {
            shared |= from < start + length && start < from + piece.Length;
        }

        return shared;
    }

    /// <summary>One file less lies on a piece; what no file lies on any more is free, and joined to its neighbours.</summary>
    public void Give(long start, long length)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        ForEachPiece(start, length, (from, count, files) =>
        {
            if (files == 1)
            {
                GiveOrRetire(from, count);
            }
            else if (files == 2)
            {
                _shared.Remove(from);
            }
            else
            {
                _shared[from] = (count, files - 1);
            }
        });
    }

    /// <summary>Cuts a range along the pieces that are shared and visits each part with the number of its files.</summary>
    private void ForEachPiece(long start, long length, Action<long, long, int> visit)
    {
        SplitShared(start);
        SplitShared(start + length);
        long at = start;
        foreach (var (from, piece) in _shared.Where(pair => pair.Key >= start && pair.Key < start + length).ToList())
        {
            if (from > at)
            {
                visit(at, from - at, 1);
            }

            visit(from, piece.Length, piece.Files);
            at = from + piece.Length;
        }

        if (at < start + length)
        {
            visit(at, start + length - at, 1);
        }
    }

    private void SplitShared(long at)
    {
        foreach (var (from, piece) in _shared)
        {
            if (from < at && at < from + piece.Length)
            {
                _shared[from] = (at - from, piece.Files);
                _shared.Add(at, (from + piece.Length - at, piece.Files));
                return;
            }
        }
    }

    private void GiveOrRetire(long start, long length)
    {
        foreach (var (from, to) in _outOfUse)
        {
            if (from < start + length && start < to)
            {
                long first = Math.Max(start, from);
                long last = Math.Min(start + length, to);
                _retired += last - first;
                if (first > start)
                {
                    GiveOrRetire(start, first - start);
                }

                if (last < start + length)
                {
                    GiveOrRetire(last, start + length - last);
                }

                return;
            }
        }

        AddFree(start, length);
    }

    private void AddFree(long start, long length)
    {
        _free.Add(start, length);
        int i = _free.IndexOfKey(start);
        if (i + 1 < _free.Count && _free.Keys[i + 1] == start + length)
        {
            length += _free.Values[i + 1];
            _free.RemoveAt(i + 1);
            _free[start] = length;
        }

        if (i > 0 && _free.Keys[i - 1] + _free.Values[i - 1] == start)
        {
            _free[_free.Keys[i - 1]] = _free.Values[i - 1] + length;
            _free.RemoveAt(i);
        }
    }

    private void Carve(int i, long start, long length)
    {
        long from = _free.Keys[i];
        long to = from + _free.Values[i];
        _free.RemoveAt(i);
        if (start > from)
        {
            _free.Add(from, start - from);
        }

        if (start + length < to)
        {
            _free.Add(start + length, to - start - length);
        }
    }
}
