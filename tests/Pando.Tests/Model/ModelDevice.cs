namespace Pando.Tests.Model;

/// <summary>A device's storage, page by page.</summary>
internal sealed class ModelDevice(long pages)
{
    private readonly bool[] _taken = new bool[pages];
    private readonly List<long> _left = [];

    public void TakeAt(long first, long count) => _taken.AsSpan((int)first, (int)count).Fill(true);

    /// <summary>A file has left a page: it is free when the file's metadata are durable.</summary>
    public void Leave(long page) => _left.Add(page);

    /// <summary>The metadata of the file that lies on the device are durable.</summary>
    public void GiveLeft()
    {
        foreach (long page in _left)
        {
            _taken[page] = false;
        }

        _left.Clear();
    }

    /// <summary>Takes the lowest aligned run of free pages, if need be of those that were left; -1 where there is none.</summary>
    public long Take(long count, long alignment)
    {
        long first = TakeFree(count, alignment);
        if (first < 0 && _left.Count > 0)
        {
            GiveLeft();
            first = TakeFree(count, alignment);
        }

        return first;
    }

    private long TakeFree(long count, long alignment)
    {
        for (long first = 0; first + count <= _taken.Length; first += alignment)
        {
            if (!_taken.AsSpan((int)first, (int)count).Contains(true))
            {
                TakeAt(first, count);
                return first;
            }
        }

        return -1;
    }
}
