using Pando.Concurrency;

namespace Pando.Files;

/// <summary>The free space of a device, in pieces. First fit, lowest first. Safe for threads.</summary>
internal sealed class DeviceSpace
{
    private readonly SortedList<long, long> _free = []; // start -> length
    private int _lock;

    public DeviceSpace(long size) => _free.Add(0, size);

    /// <summary>Bytes free, in all pieces.</summary>
    public long Free
    {
        get
        {
            WordLock.Enter(ref _lock, LockRank.FileStorage);
            long sum = _free.Values.Sum();
            WordLock.Exit(ref _lock, LockRank.FileStorage);
            return sum;
        }
    }

    /// <summary>Takes a piece of that length, aligned; false where there is none.</summary>
    public bool TryTake(long length, long alignment, out long start)
    {
        WordLock.Enter(ref _lock, LockRank.FileStorage);
        try
        {
            for (int i = 0; i < _free.Count; i++)
            {
                long from = _free.Keys[i];
                long to = from + _free.Values[i];
                start = (from + alignment - 1) & -alignment;
                if (start + length <= to)
                {
                    Carve(i, start, length);
                    return true;
                }
            }

            start = 0;
            return false;
        }
        finally
        {
            WordLock.Exit(ref _lock, LockRank.FileStorage);
        }
    }

    /// <summary>Takes exactly that piece; false where a part of it is taken or lies outside.</summary>
    public bool TryTakeAt(long start, long length)
    {
        WordLock.Enter(ref _lock, LockRank.FileStorage);
        try
        {
            for (int i = 0; i < _free.Count && _free.Keys[i] <= start; i++)
            {
                if (start + length <= _free.Keys[i] + _free.Values[i])
                {
                    Carve(i, start, length);
                    return true;
                }
            }

            return false;
        }
        finally
        {
            WordLock.Exit(ref _lock, LockRank.FileStorage);
        }
    }

    /// <summary>Gives a piece back; it is joined to its neighbours.</summary>
    public void Give(long start, long length)
    {
        WordLock.Enter(ref _lock, LockRank.FileStorage);
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

        WordLock.Exit(ref _lock, LockRank.FileStorage);
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
