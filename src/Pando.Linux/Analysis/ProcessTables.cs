using Pando.Linux.Snapshot;
using Pando.Tables;

namespace Pando.Linux.Analysis;

/// <summary>
/// The tables of one process by object. A process that was read to the page is its own <c>Source</c>; for any other
/// the figures are those of the like process that stands for it, scaled by VmPTE, and <c>Source</c> is that process.
/// </summary>
internal sealed class ProcessTables
{
    private const int NearlyEqual = 64;

    private ProcessTables(ProcessFacts facts, ProcessFacts? source, Dictionary<int, ObjectTables> objects, double unplaced)
    {
        Facts = facts;
        Source = source;
        Objects = objects;
        Unplaced = unplaced;
    }

    public ProcessFacts Facts { get; }

    /// <summary>The process whose pages were read; null if no page of its class was.</summary>
    public ProcessFacts? Source { get; }

    public Dictionary<int, ObjectTables> Objects { get; }

    /// <summary>Tables that no mapping explains: neither entries nor windows without entries.</summary>
    public double Unplaced { get; }

    public bool IsRead => ReferenceEquals(Facts, Source);

    public double Empty => Objects.Values.Sum(o => o.Empty);

    /// <summary>Charges what was read.</summary>
    public static ProcessTables FromPages(ProcessFacts process, IReadOnlyList<ObjectFacts> facts)
    {
        var charges = TableAttribution.Charge(process);
        var objects = new Dictionary<int, ObjectTables>();
        long live = 0;
        for (var i = 0; i < process.Mappings!.Count; i++)
        {
            var mapping = process.Mappings[i];
            var tables = Of(objects, mapping.ObjectNumber);
            for (var level = 1; level <= TableAttribution.Levels; level++)
            {
                live += charges[i, level];
                tables.Live[level] += charges[i, level];
                if (!mapping.IsShared && (mapping.Rights & MappingRights.Write) != 0)
                {
                    tables.Own[level] += charges[i, level];
                }
            }
        }

        var empty = Math.Max(0, (process.TableBytes / TableCounts.TableBytes) - live);
        return new ProcessTables(process, process, objects, PlaceEmpty(process, facts, objects, empty));
    }

    /// <summary>
    /// Carries the figures of a like process over. Where VmPTE differs by less than a 64th, the large objects are
    /// taken to be the same and the difference to be private memory, which is what goes on growing and shrinking;
    /// where it differs by more, everything is scaled. The sum is the process's own VmPTE either way.
    /// </summary>
    public ProcessTables ScaledTo(ProcessFacts process)
    {
        var difference = (process.TableBytes - Facts.TableBytes) / TableCounts.TableBytes;
        var isAlmostEqual = Math.Abs(difference) * NearlyEqual <= Facts.TableBytes / TableCounts.TableBytes;
        var factor = isAlmostEqual || Facts.TableBytes == 0 ? 1 : (double)process.TableBytes / Facts.TableBytes;
        var objects = Objects.ToDictionary(o => o.Key, o => o.Value.Scale(factor));
        if (isAlmostEqual && difference != 0)
        {
            var anonymous = Of(objects, Proc.ObjectTable.Anonymous);
            anonymous.Live[1] = Math.Max(0, anonymous.Live[1] + difference);
        }

        return new ProcessTables(process, Source, objects, Unplaced * factor);
    }

    /// <summary>A process of which no more than VmPTE is known.</summary>
    public static ProcessTables Unknown(ProcessFacts process) =>
        new(process, null, [], (double)process.TableBytes / TableCounts.TableBytes);

    /// <summary>
    /// Puts empty tables down to objects. Their number is exact (VmPTE less the tables with entries); where they
    /// are, no interface tells. They can be only in windows without entries; the object with the most such windows
    /// gets them first. What must be (all others' windows full of them) and what can be is kept with it.
    /// </summary>
    private static double PlaceEmpty(ProcessFacts process, IReadOnlyList<ObjectFacts> facts, Dictionary<int, ObjectTables> objects, long empty)
    {
        if (empty == 0)
        {
            return 0;
        }

        var free = TableAttribution.EmptyWindows(process, facts);
        var windows = new Dictionary<int, long>();
        for (var i = 0; i < process.Mappings!.Count; i++)
        {
            var number = process.Mappings[i].ObjectNumber;
            windows[number] = windows.GetValueOrDefault(number) + free[i];
        }

        var all = windows.Values.Sum();
        var left = empty;
        foreach (var (number, count) in windows.Where(w => w.Value > 0).OrderByDescending(w => w.Value))
        {
            var tables = Of(objects, number);
            tables.Empty = Math.Min(left, count);
            tables.EmptyLow = Math.Max(0, empty - (all - count));
            tables.EmptyHigh = Math.Min(empty, count);
            left -= (long)tables.Empty;
        }

        return left;
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
