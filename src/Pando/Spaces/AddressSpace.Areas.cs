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
    /// in the same way may have been left apart. Tables are not touched.
    /// </summary>
    private void Rewrite(AddressRange range, Func<Area, AreaTraits> change)
    {
        int first = _areas.FirstEndingAfter(range.Start);
        int count = _areas.Overlapping(range).Length;
        if (count == 0)
        {
            return;
        }

        // One more on each side: what changes may join it.
        int from = Math.Max(0, first - 1);
        int to = Math.Min(_areas.Count, first + count + 1);
        var pieces = new List<Area>(count + 4);
        bool joinable = false;
        bool any = false;
        for (int i = from; i < to; i++)
        {
            var area = _areas[i];
            var inside = area.Range.Intersect(range);
            var traits = inside.IsEmpty ? area.Traits : change(area);
            if (traits == area.Traits)
            {
                // A copy: the index of the file takes areas in as they are put in the place of others.
                Append(pieces, area.Slice(area.Range), joinable);
                joinable = false;
                continue;
            }

            any = true;
            if (area.Range.Start < inside.Start)
            {
                pieces.Add(area.Slice(new AddressRange(area.Range.Start, inside.Start)));
            }

            Append(pieces, area.Slice(inside).With(traits), mayJoin: true);
            joinable = true;
            if (inside.End < area.Range.End)
            {
                Append(pieces, area.Slice(new AddressRange(inside.End, area.Range.End)), joinable);
                joinable = false;
            }
        }

        if (any)
        {
            Exchange(from, to - from, pieces.ToArray());
        }
    }

    private void Append(List<Area> pieces, Area piece, bool mayJoin)
    {
        if (mayJoin && pieces.Count > 0 && Joins(pieces[^1], piece))
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
