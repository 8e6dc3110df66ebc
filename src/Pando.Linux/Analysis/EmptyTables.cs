using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>
/// Where tables without entries can be. Their number is what VmPTE counts beyond the tables with entries; in which spans they
/// are no interface tells. They can be in any span of a mapping, with rights or without, that has no entry and no leaf in the table's
/// place, and nowhere else: tables of spans without a mapping are freed when the mapping goes (free_pgtables).
/// </summary>
internal sealed class EmptyTables
{
    private readonly Dictionary<int, Spans> _byObject = [];
    private readonly List<int> _owners = []; // of the border span, by object; negative: mapped without rights

    private EmptyTables()
    {
    }

    /// <summary>Spans, over all levels, in which an empty table can be.</summary>
    public long Places { get; private set; }

    /// <summary>Spans whose tables may have entries that the kernel does not show: of device memory (VM_PFNMAP), which pagemap leaves out.</summary>
    public long Unseen { get; private set; }

    /// <summary>The places of each object: <c>Own</c> that no other object has a part in, <c>All</c> with those on its borders, and of
    /// these <c>Accessible</c> with some right.</summary>
    public IReadOnlyDictionary<int, Spans> ByObject => _byObject;

    /// <summary>Finds the places of one process that was read to the page.</summary>
    public static EmptyTables Find(ProcessFacts process, IReadOnlyList<ObjectFacts> objects)
    {
        var places = new EmptyTables();
        var seen = new bool[process.Mappings!.Count];
        foreach (var run in process.Populated!)
        {
            seen[run.Mapping] = true;
        }

        for (var level = 1; level <= TableAttribution.Levels; level++)
        {
            places.AddLevel(process, objects, seen, level);
        }

        return places;
    }

    private void AddLevel(ProcessFacts process, IReadOnlyList<ObjectFacts> objects, bool[] seen, int level)
    {
        var shift = TableCensus.ShiftOf(level);
        var taken = Taken(process, level);
        ulong? border = null;
        var isUnseen = false;
        for (var i = 0; i < process.Mappings!.Count; i++)
        {
            var mapping = process.Mappings[i];
            var facts = objects[mapping.ObjectNumber];
            if (mapping.Start >= 1UL << 63 || (facts.Kind == ObjectKind.Hugetlb && level <= LeafOf(facts)))
            {
                continue; // the vsyscall page has no table of the process's; huge pages have none below their leaves
            }

            // Pages of devices are not seen at all where they are not memory; a mapping with any page that is seen is.
            var hidden = facts.Kind is ObjectKind.Special or ObjectKind.DaxDevice && !seen[i];
            var (first, last) = (mapping.Start >> shift, (mapping.End - 1) >> shift);
            if (first != border)
            {
                Flush();
                border = first;
            }

            Join(mapping, hidden);
            if (last > first)
            {
                Flush();
                if (last - first > 1)
                {
                    var free = (long)(last - first - 1) - taken.CountIn((long)first + 1, (long)last);
                    Add(mapping, hidden, free);
                }

                border = last;
                Join(mapping, hidden);
            }
        }

        Flush();

        void Join(in MappingFacts mapping, bool hidden)
        {
            isUnseen |= hidden;
            if (!hidden)
            {
                _owners.Add(IsAccessible(mapping) ? mapping.ObjectNumber : ~mapping.ObjectNumber);
            }
        }

        void Flush()
        {
            if (border is { } span && taken.CountIn((long)span, (long)span + 1) == 0)
            {
                if (isUnseen)
                {
                    Unseen++;
                }
                else if (_owners.Count > 0)
                {
                    AddBorder();
                }
            }

            _owners.Clear();
            isUnseen = false;
        }
    }

    private void Add(in MappingFacts mapping, bool hidden, long free)
    {
        if (hidden)
        {
            Unseen += free;
            return;
        }

        var spans = Of(mapping.ObjectNumber);
        spans.Own += free;
        spans.All += free;
        spans.Accessible += IsAccessible(mapping) ? free : 0;
        Places += free;
    }

    private void AddBorder()
    {
        Places++;
        _owners.Sort();
        var distinct = _owners.Select(o => o < 0 ? ~o : o).Distinct().ToList();
        foreach (var number in distinct)
        {
            var spans = Of(number);
            spans.All++;
            spans.Own += distinct.Count == 1 ? 1 : 0;
            spans.Accessible += _owners.BinarySearch(number) >= 0 ? 1 : 0;
        }
    }

    private Spans Of(int number)
    {
        if (!_byObject.TryGetValue(number, out var spans))
        {
            _byObject[number] = spans = new Spans();
        }

        return spans;
    }

    /// <summary>Spans that hold a table with entries, or a leaf where the table would be.</summary>
    private static RankedIntervals Taken(ProcessFacts process, int level)
    {
        var shift = TableCensus.ShiftOf(level);
        return RankedIntervals.Of(process.Populated!.Select(run => ((long)(run.Start >> shift), (long)((run.End - 1) >> shift) + 1)));
    }

    private static int LeafOf(ObjectFacts facts) => facts.HugePageSize >= TableCensus.SpanOf(2) ? 2 : 1;

    private static bool IsAccessible(in MappingFacts mapping) => (mapping.Rights & (MappingRights.Read | MappingRights.Write | MappingRights.Execute)) != 0;

    /// <summary>Numbers of spans of one object.</summary>
    public sealed class Spans
    {
        public long Own { get; set; }

        public long All { get; set; }

        public long Accessible { get; set; }
    }
}
