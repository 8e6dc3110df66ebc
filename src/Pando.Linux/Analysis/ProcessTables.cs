using System.Runtime.InteropServices;
using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>
/// The tables of one process by object. A process that was read to the page is its own <c>Source</c>; for any other
/// the figures are those of the like process that stands for it, scaled by VmPTE, and <c>Source</c> is that process.
/// </summary>
internal sealed class ProcessTables
{
    private const int NearlyEqual = 64;

    private MappedRuns? _hugeRuns;
    private MappingsByObject? _byObject;

    private ProcessTables(ProcessFacts facts, SourcePages? source, Dictionary<int, ObjectTables> objects, double unplaced)
    {
        Facts = facts;
        Pages = source;
        Objects = objects;
        Unplaced = unplaced;
    }

    public ProcessFacts Facts { get; }

    /// <summary>The process whose pages were read; null if no page of its class was.</summary>
    public ProcessFacts? Source => Pages?.Process;

    /// <summary>Its pages.</summary>
    public SourcePages? Pages { get; }

    public Dictionary<int, ObjectTables> Objects { get; }

    /// <summary>Tables of what cannot be seen: of device memory, or of all where no page was read.</summary>
    public double Unplaced { get; }

    public bool IsRead => ReferenceEquals(Facts, Source);

    /// <summary>True if the process's own huge pages were looked at, to the page or to the GiB.</summary>
    public bool HasSpans => IsRead || Facts.HugeRuns is not null;

    /// <summary>Its mappings by object.</summary>
    public MappingsByObject ByObject => _byObject ??= IsRead ? Pages!.ByObject : new MappingsByObject(Facts.Mappings ?? []);

    /// <summary>The populated runs of a mapping: its own, or those of the like process moved to its place.</summary>
    public IEnumerable<PopulatedRun> Runs(int mapping) => Pages is null ? [] : IsRead ? Pages.Of(mapping) : Pages.Moved(Facts.Mappings![mapping], mapping);

    /// <summary>Addresses of a mapping of huge pages in which every GiB has an entry.</summary>
    public IEnumerable<(ulong Start, ulong End)> HugeSpans(int mapping) =>
        (IsRead || Facts.HugeRuns is null ? Runs(mapping) : (_hugeRuns ??= new MappedRuns(Facts.HugeRuns, Facts.Mappings!.Count)).Of(mapping)).Select(r => (r.Start, r.End));

    public double Empty => Objects.Values.Sum(o => o.Empty);

    /// <summary>Charges what was read.</summary>
    public static ProcessTables FromPages(ProcessFacts process, IReadOnlyList<ObjectFacts> facts)
    {
        var charges = TableAttribution.Charge(process);
        var objects = new Dictionary<int, ObjectTables>();
        var views = new Dictionary<(int ObjectNumber, ulong Phase), double[]>();
        long live = 0;
        for (var i = 0; i < process.Mappings!.Count; i++)
        {
            var mapping = process.Mappings[i];
            var tables = Of(objects, mapping.ObjectNumber);
            var isOwn = !mapping.IsShared && (mapping.Rights & MappingRights.Write) != 0;
            var view = CollectionsMarshal.GetValueRefOrAddDefault(views, (mapping.ObjectNumber, mapping.Start - (ulong)mapping.Offset), out _) ??= new double[TableAttribution.Levels + 1];
            for (var level = 1; level <= TableAttribution.Levels; level++)
            {
                live += charges[i, level];
                tables.Live[level] += charges[i, level];
                if (isOwn)
                {
                    tables.Own[level] += charges[i, level];
                }
                else
                {
                    view[level] += charges[i, level];
                    tables.View[level] = Math.Max(tables.View[level], view[level]);
                }
            }
        }

        var empty = Math.Max(0, (process.TableBytes / TableCounts.TableBytes) - live);
        return new ProcessTables(process, new SourcePages(process), objects, PlaceEmpty(process, facts, objects, empty));
    }

    /// <summary>
    /// Carries the figures of a like process over. Where VmPTE differs by less than a 64th, the large objects are
    /// taken to be the same and the difference to be private memory, which is what goes on growing and shrinking;
    /// where it differs by more, everything is scaled. The sum is the process's own VmPTE either way.
    /// </summary>
    public ProcessTables ScaledTo(ProcessFacts process)
    {
        var difference = (process.TableBytes - Facts.TableBytes) / TableCounts.TableBytes;
        var isAlmostEqual = Math.Abs(difference) * NearlyEqual <= Facts.TableBytes / TableCounts.TableBytes
            && (Objects.GetValueOrDefault(ObjectFacts.Anonymous)?.Live[1] ?? 0) + difference >= 0;
        var factor = isAlmostEqual || Facts.TableBytes == 0 ? 1 : (double)process.TableBytes / Facts.TableBytes;
        var objects = Objects.ToDictionary(o => o.Key, o => o.Value.Scale(factor));
        if (isAlmostEqual && difference != 0)
        {
            var anonymous = Of(objects, ObjectFacts.Anonymous);
            anonymous.Live[1] += difference;
        }

        return new ProcessTables(process, Pages, objects, Unplaced * factor);
    }

    /// <summary>A process of which no more than VmPTE is known.</summary>
    public static ProcessTables Unknown(ProcessFacts process) =>
        new(process, null, [], (double)process.TableBytes / TableCounts.TableBytes);

    /// <summary>
    /// Puts empty tables down to objects. Their number is exact (VmPTE less the tables with entries) where all entries can be seen; where they
    /// are, no interface tells. Tables of device memory are taken to be full first; then the object with the most accessible
    /// places gets the empty ones, and memory without rights the rest. What must be and what can be is kept with it.
    /// Returns what is not taken to be empty: tables of what cannot be seen.
    /// </summary>
    private static double PlaceEmpty(ProcessFacts process, IReadOnlyList<ObjectFacts> facts, Dictionary<int, ObjectTables> objects, long beyond)
    {
        if (beyond == 0)
        {
            return 0;
        }

        var places = EmptyTables.Find(process, facts);
        var least = Math.Min(beyond - Math.Min(beyond, places.Unseen), places.Places);
        var most = Math.Min(beyond, places.Places);
        var left = least;
        foreach (var (number, spans) in places.ByObject)
        {
            var tables = Of(objects, number);
            tables.EmptyLow = Math.Max(0, least - (places.Places - spans.Own));
            tables.EmptyHigh = Math.Min(most, spans.All);
            tables.Empty = tables.EmptyLow;
            left -= (long)tables.EmptyLow;
        }

        foreach (var accessible in new[] { true, false })
        {
            foreach (var (number, spans) in places.ByObject.OrderByDescending(p => p.Value.Accessible).ThenByDescending(p => p.Value.All).ThenBy(p => p.Key))
            {
                var tables = Of(objects, number);
                var more = Math.Clamp((accessible ? spans.Accessible : spans.All) - (long)tables.Empty, 0, left);
                tables.Empty += more;
                left -= more;
            }
        }

        return beyond - least + left;
    }

    private static ObjectTables Of(Dictionary<int, ObjectTables> objects, int number)
    {
        if (!objects.TryGetValue(number, out var tables))
        {
            objects[number] = tables = new ObjectTables();
        }

        return tables;
    }
}
