namespace Pando.Linux.Analysis;

/// <summary>A set of whole numbers, kept as intervals; made for adding many long runs and counting once.</summary>
internal sealed class IntervalSet
{
    private readonly List<(long First, long End)> _intervals = [];
    private bool _isSorted = true;

    public void Add(long first, long end)
    {
        if (first >= end || (_intervals.Count > 0 && _intervals[^1] == (first, end)))
        {
            return;
        }

        _intervals.Add((first, end));
        _isSorted = false;
    }

    public long Count()
    {
        Normalise();
        return _intervals.Sum(i => i.End - i.First);
    }

    public IReadOnlyList<(long First, long End)> Intervals()
    {
        Normalise();
        return _intervals;
    }

    private void Normalise()
    {
        if (_isSorted)
        {
            return;
        }

        _intervals.Sort();
        var kept = 0;
        for (var i = 1; i < _intervals.Count; i++)
        {
            if (_intervals[i].First <= _intervals[kept].End)
            {
                _intervals[kept] = (_intervals[kept].First, Math.Max(_intervals[kept].End, _intervals[i].End));
            }
            else
            {
                _intervals[++kept] = _intervals[i];
            }
        }

        _intervals.RemoveRange(kept + 1, _intervals.Count - kept - 1);
        _isSorted = true;
    }
}
