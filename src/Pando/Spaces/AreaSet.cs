using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>
/// The areas of one space, sorted by address, none over another. Protected by the space's lock. Look-ups allocate nothing.
/// </summary>
internal sealed class AreaSet
{
    private Area[] _areas = [];
    private int _count;

    public int Count => _count;

    public Area this[int index] => _areas[index];

    public ReadOnlySpan<Area> All => _areas.AsSpan(0, _count);

    /// <summary>The index of the first area that ends after an address; <see cref="Count"/> if there is none.</summary>
    public int FirstEndingAfter(VirtualAddress address)
    {
        int low = 0;
        int high = _count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_areas[middle].Range.End <= address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    /// <summary>The area that has an address, or null.</summary>
    public Area? Find(VirtualAddress address)
    {
        int index = FirstEndingAfter(address);
        return index < _count && _areas[index].Range.Start <= address ? _areas[index] : null;
    }

    /// <summary>The areas that have something of a range.</summary>
    public ReadOnlySpan<Area> Overlapping(AddressRange range)
    {
        int first = FirstEndingAfter(range.Start);
        int last = first;
        while (last < _count && _areas[last].Range.Start < range.End)
        {
            last++;
        }

        return _areas.AsSpan(first, last - first);
    }

    /// <summary>Puts areas in the place of those from <paramref name="index"/> on. They stay sorted: the caller sees to it.</summary>
    public void Replace(int index, int removed, ReadOnlySpan<Area> added)
    {
        int newCount = _count - removed + added.Length;
        if (newCount > _areas.Length)
        {
            Array.Resize(ref _areas, Math.Max(newCount, Math.Max(4, _areas.Length * 2)));
        }

        Array.Copy(_areas, index + removed, _areas, index + added.Length, _count - index - removed);
        added.CopyTo(_areas.AsSpan(index));
        if (newCount < _count)
        {
            Array.Clear(_areas, newCount, _count - newCount);
        }

        _count = newCount;
    }

    /// <summary>
    /// Whether all that is mapped in a span is one window of one file: the areas there follow each other without a
    /// gap and show the file on in the same way. Gives the file offsets of the window.
    /// </summary>
    public bool TryGetWindow(AddressRange span, out Area area, out long windowStart, out long windowEnd)
    {
        int index = FirstEndingAfter(span.Start);
        area = null!;
        windowStart = windowEnd = 0;
        if (index >= _count || _areas[index].Range.Start >= span.End || !_areas[index].CanAttach)
        {
            return false;
        }

        area = _areas[index];
        windowStart = Math.Max((long)span.Start.Value, (long)area.Range.Start.Value) + area.Delta;
        var end = area.Range.End;
        while (end < span.End && ++index < _count && _areas[index].Range.Start < span.End)
        {
            if (_areas[index].Range.Start != end || !area.IsInLineWith(_areas[index]))
            {
                return false;
            }

            end = _areas[index].Range.End;
        }

        windowEnd = Math.Min((long)end.Value, (long)span.End.Value) + area.Delta;
        return true;
    }

    /// <summary>The lowest free range of a length from <paramref name="from"/> on whose start has a residue modulo an alignment.</summary>
    public bool TryFindLow(VirtualAddress from, VirtualAddress limit, long length, long alignment, long residue, out VirtualAddress start)
    {
        int index = FirstEndingAfter(from);
        start = AlignUp(from, alignment, residue);
        while (true)
        {
            var nextArea = index < _count ? _areas[index].Range.Start : limit;
            if (nextArea > limit)
            {
                nextArea = limit;
            }

            if (start + length <= nextArea)
            {
                return true;
            }

            if (index >= _count || nextArea == limit)
            {
                return false;
            }

            start = AlignUp(_areas[index].Range.End, alignment, residue);
            index++;
        }
    }

    /// <summary>The highest free range of a length below <paramref name="limit"/> whose start has a residue modulo an alignment.</summary>
    public bool TryFindHigh(VirtualAddress floor, VirtualAddress limit, long length, long alignment, long residue, out VirtualAddress start)
    {
        int index = _count - 1;
        var end = limit;
        while (true)
        {
            while (index >= 0 && _areas[index].Range.Start >= end)
            {
                index--;
            }

            var lower = index >= 0 ? _areas[index].Range.End : floor;
            if (lower < floor)
            {
                lower = floor;
            }

            if (end - lower >= length)
            {
                start = AlignDown(end - length, alignment, residue);
                if (start >= lower && start <= end)
                {
                    return true;
                }
            }

            if (index < 0 || _areas[index].Range.Start <= floor)
            {
                start = default;
                return false;
            }

            end = _areas[index].Range.Start;
        }
    }

    private static VirtualAddress AlignUp(VirtualAddress address, long alignment, long residue)
    {
        var aligned = address.AlignDown(alignment) + residue;
        return aligned < address ? aligned + alignment : aligned;
    }

    private static VirtualAddress AlignDown(VirtualAddress address, long alignment, long residue)
    {
        var aligned = address.AlignDown(alignment) + residue;
        return aligned > address ? aligned - alignment : aligned;
    }
}
