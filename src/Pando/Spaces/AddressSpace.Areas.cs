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
    /// Gives the areas of a range other traits: they are cut at its ends, changed, and joined where they have become
    /// alike. Tables are not touched.
    /// </summary>
    private void Rewrite(AddressRange range, Func<Area, AreaTraits> change)
    {
        int first = _areas.FirstEndingAfter(range.Start);
        int count = _areas.Overlapping(range).Length;
        if (count == 0)
        {
            return;
        }

        var pieces = new List<Area>(count + 2);
        for (int i = first; i < first + count; i++)
        {
            var area = _areas[i];
            var inside = area.Range.Intersect(range);
            Append(pieces, area, new AddressRange(area.Range.Start, inside.Start), area.Traits);
            Append(pieces, area, inside, change(area));
            Append(pieces, area, new AddressRange(inside.End, area.Range.End), area.Traits);
        }

        if (first > 0 && _areas[first - 1].ContinuesIn(pieces[0]))
        {
            first--;
            count++;
            pieces[0] = Join(_areas[first], pieces[0]);
        }

        if (first + count < _areas.Count && pieces[^1].ContinuesIn(_areas[first + count]))
        {
            pieces[^1] = Join(pieces[^1], _areas[first + count]);
            count++;
        }

        Exchange(first, count, pieces.ToArray());
    }

    private static void Append(List<Area> pieces, Area area, AddressRange part, AreaTraits traits)
    {
        if (part.IsEmpty)
        {
            return;
        }

        var piece = area.Slice(part).With(traits);
        if (pieces.Count > 0 && pieces[^1].ContinuesIn(piece))
        {
            pieces[^1] = Join(pieces[^1], piece);
        }
        else
        {
            pieces.Add(piece);
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
