using Pando.Costs;
using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>Areas that follow each other in a space's list, up to an address. Under the space's lock; the areas may not be replaced meanwhile.</summary>
internal readonly struct AreaRun(Area? first, VirtualAddress end)
{
    /// <summary>Whether there is no area.</summary>
    public bool IsEmpty => First is null;

    /// <summary>The first area, or null.</summary>
    public Area? First { get; } = first is not null && first.Range.Start < end ? first : null;

    /// <summary>The areas, as they are now.</summary>
    public Area[] ToArray()
    {
        var areas = new List<Area>();
        foreach (var area in this)
        {
            areas.Add(area);
        }

        return [.. areas];
    }

    public Enumerator GetEnumerator() => new(First, end);

    /// <summary>Goes from area to area.</summary>
    public struct Enumerator(Area? first, VirtualAddress end)
    {
        private Area? _next = first;

        /// <summary>The area.</summary>
        public Area Current { get; private set; } = null!;

        /// <summary>Goes to the next area.</summary>
        public bool MoveNext()
        {
            if (_next is not { } area || area.Range.Start >= end)
            {
                return false;
            }

            Cost.Count(CostKind.Area);
            Current = area;
            _next = area.Links.Next;
            return true;
        }
    }
}
