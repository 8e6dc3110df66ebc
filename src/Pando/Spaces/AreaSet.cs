using Pando.Costs;
using Pando.Hardware;
using Pando.Intervals;

namespace Pando.Spaces;

/// <summary>
/// The areas of one space, sorted by address, none over another. Protected by the space's lock. Every operation costs the
/// logarithm of the areas there are, for each that is returned or changed; look-ups allocate nothing.
/// </summary>
internal sealed class AreaSet
{
    // How many gaps that are large enough, but where nothing may fit for its alignment, are tried before a gap is looked for
    // in which anything fits.
    private const int MostTried = 64;

    private Area? _root;

    public int Count { get; private set; }

    /// <summary>All areas.</summary>
    public AreaRun All => new(FirstEndingAfter(default), new VirtualAddress(ulong.MaxValue));

    /// <summary>The first area that ends after an address, or null.</summary>
    public Area? FirstEndingAfter(VirtualAddress address)
    {
        Area? found = null;
        for (var area = _root; area is not null;)
        {
            Cost.Count(CostKind.Node);
            if (area.Range.End > address)
            {
                found = area;
                area = area.Links.Left;
            }
            else
            {
                area = area.Links.Right;
            }
        }

        return found;
    }

    /// <summary>The last area that begins before an address, or null.</summary>
    public Area? LastStartingBefore(VirtualAddress address)
    {
        Area? found = null;
        for (var area = _root; area is not null;)
        {
            Cost.Count(CostKind.Node);
            if (area.Range.Start < address)
            {
                found = area;
                area = area.Links.Right;
            }
            else
            {
                area = area.Links.Left;
            }
        }

        return found;
    }

    /// <summary>The area that has an address, or null.</summary>
    public Area? Find(VirtualAddress address)
    {
        var area = FirstEndingAfter(address);
        return area is not null && area.Range.Start <= address ? area : null;
    }

    /// <summary>The areas that have something of a range.</summary>
    public AreaRun Overlapping(AddressRange range) => new(FirstEndingAfter(range.Start), range.End);

    /// <summary>Puts areas in the place of others. Where those were, or beside, there is room for them.</summary>
    public void Replace(ReadOnlySpan<Area> removed, ReadOnlySpan<Area> added)
    {
        foreach (var area in removed)
        {
            Cost.Count(CostKind.Area);
            _root = BalancedTree<Area?, Nodes>.Remove(default, _root, area);
            Link(area.Links.Previous, area.Links.Next);
            area.Links = default;
        }

        foreach (var area in added)
        {
            Cost.Count(CostKind.Area);
            var before = LastStartingBefore(area.Range.Start);
            var after = before is null ? FirstEndingAfter(default) : before.Links.Next;
            Link(before, area);
            Link(area, after);
            _root = BalancedTree<Area?, Nodes>.Insert(default, _root, area);
        }

        Count += added.Length - removed.Length;
    }

    /// <summary>Puts areas into an empty set. They are sorted.</summary>
    public void Fill(ReadOnlySpan<Area> sorted)
    {
        for (int i = 1; i < sorted.Length; i++)
        {
            Link(sorted[i - 1], sorted[i]);
        }

        Cost.Count(CostKind.Area, sorted.Length);
        _root = BalancedTree<Area?, Nodes>.Build(default, sorted!);
        Count = sorted.Length;
    }

    /// <summary>Takes all areas out.</summary>
    public void Clear()
    {
        _root = null;
        Count = 0;
    }

    /// <summary>
    /// Whether all that is mapped in a span is one window of one file: the areas there follow each other without a
    /// gap and show the file on in the same way. Gives the file offsets of the window.
    /// </summary>
    public bool TryGetWindow(AddressRange span, out Area area, out long windowStart, out long windowEnd)
    {
        var first = FirstEndingAfter(span.Start);
        area = null!;
        windowStart = windowEnd = 0;
        if (first is null || first.Range.Start >= span.End || !first.CanAttach)
        {
            return false;
        }

        var last = first.Range.End >= span.End ? first : LastStartingBefore(span.End)!;
        if (first != last && !IsRun(first, last, inLine: true))
        {
            return false;
        }

        area = first;
        windowStart = Math.Max((long)span.Start.Value, (long)first.Range.Start.Value) + first.Delta;
        windowEnd = Math.Min((long)last.Range.End.Value, (long)span.End.Value) + first.Delta;
        return true;
    }

    /// <summary>Whether every address of a range is mapped.</summary>
    public bool IsMapped(AddressRange range)
    {
        if (range.IsEmpty)
        {
            return true;
        }

        var first = FirstEndingAfter(range.Start);
        if (first is null || first.Range.Start > range.Start)
        {
            return false;
        }

        var last = LastStartingBefore(range.End)!;
        return last.Range.End >= range.End && IsRun(first, last, inLine: false);
    }

    /// <summary>Whether any area that has something of a range has one of some flags.</summary>
    public bool HasAny(AddressRange range, AreaFlags flags) => HasAny(_root, range, flags);

    /// <summary>
    /// The lowest free range of a length from <paramref name="from"/> on whose start has a residue modulo an alignment. (Where
    /// many gaps are long enough but none is in line, a gap in which anything fits is taken before all of them have been tried.)
    /// </summary>
    public bool TryFindLow(VirtualAddress from, VirtualAddress limit, long length, long alignment, long residue, out VirtualAddress start)
    {
        int tried = 0;
        for (var at = from; TryFindFirstGap(new AddressRange(at, limit), length, out var gap); at = gap.End)
        {
            start = AlignUp(gap.Start, alignment, residue);
            if (start + length <= gap.End)
            {
                return true;
            }

            if (++tried == MostTried && TryFindFirstGap(new AddressRange(gap.End, limit), length + alignment, out gap))
            {
                start = AlignUp(gap.Start, alignment, residue);
                return true;
            }
        }

        start = default;
        return false;
    }

    /// <summary>The highest free range of a length below <paramref name="limit"/> whose start has a residue modulo an alignment. As <see cref="TryFindLow"/>.</summary>
    public bool TryFindHigh(VirtualAddress floor, VirtualAddress limit, long length, long alignment, long residue, out VirtualAddress start)
    {
        int tried = 0;
        for (var at = limit; TryFindLastGap(new AddressRange(floor, at), length, out var gap); at = gap.Start)
        {
            start = AlignDown(gap.End - length, alignment, residue);
            if (start >= gap.Start && start <= gap.End)
            {
                return true;
            }

            if (++tried == MostTried && TryFindLastGap(new AddressRange(floor, gap.Start), length + alignment, out gap))
            {
                start = AlignDown(gap.End - length, alignment, residue);
                return true;
            }
        }

        start = default;
        return false;
    }

    private bool TryFindFirstGap(AddressRange within, long length, out AddressRange gap) =>
        TryFindGap(_root, new AddressRange(default, new VirtualAddress(ulong.MaxValue)), within, length, fromLow: true, out gap);

    private bool TryFindLastGap(AddressRange within, long length, out AddressRange gap) =>
        TryFindGap(_root, new AddressRange(default, new VirtualAddress(ulong.MaxValue)), within, length, fromLow: false, out gap);

    /// <param name="area">The subtree.</param>
    /// <param name="around">From the end of the area before the subtree to the start of the area after it.</param>
    /// <param name="within">Where the gap must lie; of a gap that reaches further, only the part in it counts.</param>
    /// <param name="length">How large it must be.</param>
    /// <param name="fromLow">Whether the lowest is looked for, or the highest.</param>
    /// <param name="gap">The gap.</param>
    private static bool TryFindGap(Area? area, AddressRange around, AddressRange within, long length, bool fromLow, out AddressRange gap)
    {
        Cost.Count(CostKind.Node);
        gap = around.Intersect(within);
        if (gap.End.Value - gap.Start.Value < (ulong)length)
        {
            return false;
        }

        if (area is null)
        {
            return true;
        }

        ref readonly var links = ref area.Links;
        if (links.LargestGap < length
            && links.Range.Start.Value - around.Start.Value < (ulong)length
            && around.End.Value - links.Range.End.Value < (ulong)length)
        {
            return false;
        }

        var below = around with { End = area.Range.Start };
        var above = around with { Start = area.Range.End };
        return fromLow
            ? TryFindGap(links.Left, below, within, length, fromLow, out gap) || TryFindGap(links.Right, above, within, length, fromLow, out gap)
            : TryFindGap(links.Right, above, within, length, fromLow, out gap) || TryFindGap(links.Left, below, within, length, fromLow, out gap);
    }

    /// <summary>Whether the areas from one to another follow each other without a gap, and, if that is asked for, each in line with the first.</summary>
    private bool IsRun(Area first, Area last, bool inLine)
    {
        return IsRunIn(_root);

        bool IsRunIn(Area? area)
        {
            if (area is null)
            {
                return true;
            }

            Cost.Count(CostKind.Node);
            ref readonly var links = ref area.Links;
            if (links.Range.Start >= first.Range.Start && links.Range.End <= last.Range.End)
            {
                return links.LargestGap == 0 && (!inLine || (links.IsInLine && first.IsInLineWith(area)));
            }

            if (area.Range.Start < first.Range.Start)
            {
                return IsRunIn(links.Right);
            }

            if (area.Range.Start > last.Range.Start)
            {
                return IsRunIn(links.Left);
            }

            // Of two areas in the run that follow each other, one is above the other in the tree, and looks at both its sides.
            return (area == first || links.Previous!.Range.End == area.Range.Start)
                && (area == last || links.Next!.Range.Start == area.Range.End)
                && (!inLine || first.IsInLineWith(area))
                && IsRunIn(links.Left)
                && IsRunIn(links.Right);
        }
    }

    private static bool HasAny(Area? area, AddressRange range, AreaFlags flags)
    {
        Cost.Count(CostKind.Node);
        return area is not null
            && (area.Links.AnyFlags & flags) != 0
            && area.Links.Range.Overlaps(range)
            && ((area.Range.Overlaps(range) && (area.Traits.Flags & flags) != 0)
                || HasAny(area.Links.Left, range, flags)
                || HasAny(area.Links.Right, range, flags));
    }

    private static void Link(Area? before, Area? after)
    {
        if (before is not null)
        {
            before.Links.Next = after;
        }

        if (after is not null)
        {
            after.Links.Previous = before;
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

    private readonly struct Nodes : ITreeNodes<Area?>
    {
        public bool IsNone(Area? node) => node is null;

        public Area? Open(Area? node) => node;

        public Area? Left(Area? node) => node!.Links.Left;

        public Area? Right(Area? node) => node!.Links.Right;

        public int Height(Area? node) => node is null ? 0 : node.Links.Height;

        public int Compare(Area? one, Area? other) => one!.Range.Start.CompareTo(other!.Range.Start);

        public Area With(Area? node, Area? left, Area? right)
        {
            Cost.Count(CostKind.Node);
            ref var links = ref node!.Links;
            links.Left = left;
            links.Right = right;
            links.Height = 1 + Math.Max(Height(left), Height(right));
            links.Range = node.Range;
            links.LargestGap = 0;
            links.AnyFlags = node.Traits.Flags;
            links.IsInLine = true;
            if (left is not null)
            {
                Add(ref links, left, node);
                links.LargestGap = Math.Max(links.LargestGap, node.Range.Start - left.Links.Range.End);
                links.Range = links.Range with { Start = left.Links.Range.Start };
            }

            if (right is not null)
            {
                Add(ref links, right, node);
                links.LargestGap = Math.Max(links.LargestGap, right.Links.Range.Start - node.Range.End);
                links.Range = links.Range with { End = right.Links.Range.End };
            }

            return node;
        }

        private static void Add(ref AreaLinks links, Area child, Area node)
        {
            links.LargestGap = Math.Max(links.LargestGap, child.Links.LargestGap);
            links.AnyFlags |= child.Links.AnyFlags;
            links.IsInLine &= child.Links.IsInLine && node.IsInLineWith(child);
        }
    }
}
