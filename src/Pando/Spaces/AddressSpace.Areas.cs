using Pando.Hardware;

namespace Pando.Spaces;

/// <content>Changing areas without changing what is mapped.</content>
public sealed partial class AddressSpace
{
    /// <summary>Whether every address of a range is mapped.</summary>
    private bool IsMapped(AddressRange range)
    {
        var at = range.Start;
        foreach (var area in _areas.Overlapping(range))
        {
            if (area.Range.Start > at)
            {
                return false;
            }

            at = area.Range.End;
        }

        return at >= range.End;
    }

    /// <summary>Whether the areas may be cut at the ends of a range: those of files with fixed pages only between pages.</summary>
    private bool MayCutAt(AddressRange range)
    {
        foreach (var area in _areas.Overlapping(range))
        {
            long alignment = area.File?.MappingAlignment ?? Level.PageSize;
            var part = range.Intersect(area.Range);
            if (((part.Start - area.Range.Start) | (part.End - area.Range.Start)) % alignment != 0)
            {
                return false;
            }
        }

        return true;
    }

    private bool HasAny(AddressRange range, AreaFlags flags)
    {
        foreach (var area in _areas.Overlapping(range))
        {
            if ((area.Traits.Flags & flags) != 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Gives the areas of a range other traits: they are cut at its ends, changed, and joined to those beside them that
    /// they have become alike. Areas that stay as they are are not joined to each other, as on Linux: two that map on
    /// in the same way may have been left apart. Nor are they touched: each run of areas that change takes only those
    /// beside it that it joins. Tables are not touched.
    /// </summary>
    /// <param name="range">The range.</param>
    /// <param name="change">The traits that an area gets. An area may be asked about twice.</param>
    private void Rewrite(AddressRange range, Func<Area, AreaTraits> change)
    {
        var pieces = new List<Area>(4);
        int next = _areas.FirstEndingAfter(range.Start);
        while (next < _areas.Count && _areas[next].Range.Start < range.End)
        {
            int first = next;
            for (; next < _areas.Count && _areas[next].Range.Start < range.End; next++)
            {
                var area = _areas[next];
                var traits = change(area);
                if (traits == area.Traits)
                {
                    break;
                }

                AddChanged(pieces, area, area.Range.Intersect(range), traits);
            }

            if (first == next)
            {
                next++;
                continue;
            }

            // Where the range cuts an area, what lies beside the run is the rest of it, and differs.
            if (first > 0 && pieces[0].Range.Start >= range.Start && Joins(_areas[first - 1], pieces[0]))
            {
                pieces[0] = Join(_areas[--first], pieces[0]);
            }

            if (next < _areas.Count && pieces[^1].Range.End <= range.End && Joins(pieces[^1], _areas[next]))
            {
                pieces[^1] = Join(pieces[^1], _areas[next++]);
            }

            Exchange(first, next - first, pieces.ToArray());
            next = first + pieces.Count;
            pieces.Clear();
        }
    }

    /// <summary>Adds an area of which a part has other traits: what lies before the part, the part, what lies behind it.</summary>
    private void AddChanged(List<Area> pieces, Area area, AddressRange part, AreaTraits traits)
    {
        if (area.Range.Start < part.Start)
        {
            pieces.Add(area.Slice(new AddressRange(area.Range.Start, part.Start)));
        }

        var changed = area.Slice(part).With(traits);
        if (pieces.Count > 0 && Joins(pieces[^1], changed))
        {
            pieces[^1] = Join(pieces[^1], changed);
        }
        else
        {
            pieces.Add(changed);
        }

        if (part.End < area.Range.End)
        {
            pieces.Add(area.Slice(new AddressRange(part.End, area.Range.End)));
        }
    }

    /// <summary>Puts areas in the place of others, and counts their files.</summary>
    private void Exchange(int first, int count, ReadOnlySpan<Area> added)
    {
        foreach (var area in added)
        {
            if (area.File is { } file)
            {
                AddFile(file);
            }
        }

        var gone = _areas.All.Slice(first, count).ToArray();
        ReplaceAreas(first, count, added);
        foreach (var area in gone)
        {
            if (area.File is { } file)
            {
                RemoveFile(file);
            }
        }
    }
}
