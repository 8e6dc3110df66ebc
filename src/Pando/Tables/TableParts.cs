using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// Which parts of files each table of a space may show: what stands in the files' <see cref="ReverseMap"/>s, from the table's side. The
/// parts of one table are a list that begins in its record; mostly there is one, and never more than the table has entries.
/// </summary>
internal sealed class TableParts(TableStore store)
{
    private readonly TableStore _store = store;

    /// <summary>Whether a file finds the table by all of some offsets. Under the table's lock.</summary>
    /// <param name="table">The table.</param>
    /// <param name="owner">The file.</param>
    /// <param name="origin">The file offset at the table's entry 0.</param>
    /// <param name="start">The first offset.</param>
    /// <param name="end">The first offset past them.</param>
    public bool Has(Frame table, SharedTableOwner owner, long origin, long start, long end)
    {
        for (var link = First(table); !link.IsNone;)
        {
            ref readonly var part = ref Get(link, owner);
            if (link.Owner == owner.Id && part.Key.Origin == origin && part.Key.Start <= start && end <= part.End)
            {
                return true;
            }

            link = part.Next;
        }

        return false;
    }

    /// <summary>
    /// Lets a file find a table by some offsets, before leaves that show them are put into it. Under the table's lock. Those by
    /// which it is found already stay as they are.
    /// </summary>
    public void Add(Frame table, int level, SharedTableOwner owner, long origin, long start, long end)
    {
        for (var link = First(table); !link.IsNone;)
        {
            ref readonly var part = ref Get(link, owner);
            if (link.Owner == owner.Id && part.Key.Origin == origin && part.Key.Start < end && start < part.End)
            {
                var (partStart, partEnd) = (part.Key.Start, part.End);
                if (start < partStart)
                {
                    Add(table, level, owner, origin, start, partStart);
                }

                if (partEnd < end)
                {
                    Add(table, level, owner, origin, partEnd, end);
                }

                return;
            }

            link = part.Next;
        }

        int number = owner.ReverseMap.Add(new PartKey(start, level, table, origin), end, First(table));
        SetFirst(table, new PartLink(owner.Id, number));
    }

    /// <summary>No file finds the table any more: it is about to be freed. After the flush.</summary>
    public void Remove(Frame table)
    {
        while (First(table) is { IsNone: false } link)
        {
            var map = MapOf(link);
            SetFirst(table, map[link.Number].Next);
            map.Remove(link.Number);
        }
    }

    /// <summary>
    /// No file finds the table by addresses that have been unmapped, after the flush. Under the space's lock for writing.
    /// </summary>
    public void Cut(Frame table, int level, AddressRange range)
    {
        using var held = _store.Lock(table, level);
        long tableStart = _store.Memory.Record(table).Origin;
        var before = default(PartLink);
        for (var link = First(table); !link.IsNone;)
        {
            var map = MapOf(link);
            var part = map[link.Number];
            long start = Math.Max(part.Key.Start, part.Key.Origin + ((long)range.Start.Value - tableStart));
            long end = Math.Min(part.End, part.Key.Origin + ((long)range.End.Value - tableStart));
            if (start >= end)
            {
                before = link;
            }
            else if (start == part.Key.Start && end == part.End)
            {
                map.Remove(link.Number);
                if (before.IsNone)
                {
                    SetFirst(table, part.Next);
                }
                else
                {
                    MapOf(before).Link(before.Number, part.Next);
                }
            }
            else
            {
                int rest = map.Cut(link.Number, start, end);
                before = link;
                if (rest != 0)
                {
                    before = new PartLink(link.Owner, rest);
                    map.Link(link.Number, before);
                }
            }

            link = part.Next;
        }
    }

    /// <summary>The part that shows an address. Under the table's lock.</summary>
    public bool TryFind(Frame table, VirtualAddress at, out SharedTableOwner owner, out ReverseMap.Part part)
    {
        long offset = (long)at.Value - _store.Memory.Record(table).Origin;
        for (var link = First(table); !link.IsNone; link = part.Next)
        {
            owner = OwnerOf(link);
            part = owner.ReverseMap[link.Number];
            if (part.Key.Start <= part.Key.Origin + offset && part.Key.Origin + offset < part.End)
            {
                return true;
            }
        }

        owner = null!;
        part = default;
        return false;
    }

    /// <summary>All parts of a table; at rest.</summary>
    public List<(TableOwner? Owner, ReverseMap.Part Part)> All(Frame table)
    {
        var parts = new List<(TableOwner? Owner, ReverseMap.Part Part)>();
        for (var link = First(table); !link.IsNone && parts.Count <= _store.Geometry.EntriesBelowRoot;)
        {
            var owner = _store.Owners[link.Owner];
            var part = owner is SharedTableOwner shared ? shared.ReverseMap[link.Number] : default;
            parts.Add((owner, part));
            link = part.Next;
        }

        return parts;
    }

    private PartLink First(Frame table)
    {
        ref var record = ref _store.Memory.Record(table);
        return new PartLink(record.PartOwner, record.Part);
    }

    private void SetFirst(Frame table, PartLink link)
    {
        ref var record = ref _store.Memory.Record(table);
        record.PartOwner = link.Owner;
        record.Part = link.Number;
    }

    private SharedTableOwner OwnerOf(PartLink link) => (SharedTableOwner)_store.Owners[link.Owner]!;

    private ReverseMap MapOf(PartLink link) => OwnerOf(link).ReverseMap;

    /// <summary>A part, of a file that it probably is of.</summary>
    private ref readonly ReverseMap.Part Get(PartLink link, SharedTableOwner likely) =>
        ref (link.Owner == likely.Id ? likely : OwnerOf(link)).ReverseMap[link.Number];
}
