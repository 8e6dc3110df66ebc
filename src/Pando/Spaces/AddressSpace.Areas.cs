using Pando.Costs;
using Pando.Hardware;

namespace Pando.Spaces;

/// <content>Changing areas without changing what is mapped.</content>
public sealed partial class AddressSpace
{
    /// <summary>Whether every address of a range is mapped.</summary>
    private bool IsMapped(AddressRange range) => _areas.IsMapped(range);

    /// <summary>
    /// The first area that has something of a range, at this moment. For those who go through a range without the space's lock, in
    /// steps that others may come between.
    /// </summary>
    private bool TryGetNextArea(VirtualAddress start, VirtualAddress end, out AreaInfo area)
    {
        using var held = _lock.Read();
        var first = _areas.Overlapping(new AddressRange(start, end)).First;
        area = first is null ? default : first.Info;
        return first is not null;
    }

    /// <summary>Whether the areas may be cut at the ends of a range: those of files with fixed pages only between pages.</summary>
    private bool MayCutAt(AddressRange range)
    {
        return range.IsEmpty || (MayCut(_areas.Find(range.Start), range.Start) && MayCut(_areas.Find(range.End - 1), range.End));

        static bool MayCut(Area? area, VirtualAddress at) =>
            area?.File is not { } file || (at - area.Range.Start) % file.MappingAlignment == 0;
    }

    private bool HasAny(AddressRange range, AreaFlags flags) => _areas.HasAny(range, flags);

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
        var gone = new List<Area>(4);
        var next = _areas.Overlapping(range).First;
        while (next is not null && next.Range.Start < range.End)
        {
            var before = next.Links.Previous;
            for (; next is not null && next.Range.Start < range.End; next = next.Links.Next)
            {
                Cost.Count(CostKind.Area);
                var traits = change(next);
                if (traits == next.Traits)
                {
                    break;
                }

                AddChanged(pieces, next, next.Range.Intersect(range), traits);
                gone.Add(next);
            }

            if (gone.Count == 0)
            {
                next = next!.Links.Next;
                continue;
            }

            // Where the range cuts an area, what lies beside the run is the rest of it, and differs.
            if (before is not null && pieces[0].Range.Start >= range.Start && Joins(before, pieces[0]))
            {
                pieces[0] = Join(before, pieces[0]);
                gone.Add(before);
            }

            if (next is not null && pieces[^1].Range.End <= range.End && Joins(pieces[^1], next))
            {
                pieces[^1] = Join(pieces[^1], next);
                gone.Add(next);
                next = next.Links.Next;
            }

            Exchange(gone.ToArray(), pieces.ToArray());
            pieces.Clear();
            gone.Clear();
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
    private void Exchange(ReadOnlySpan<Area> gone, ReadOnlySpan<Area> added)
    {
        foreach (var area in added)
        {
            if (area.File is { } file)
            {
                AddFile(file);
            }
        }

        _areas.Replace(gone, added);
        foreach (var area in gone)
        {
            if (area.File is { } file)
            {
                RemoveFile(file);
            }
        }
    }
}
