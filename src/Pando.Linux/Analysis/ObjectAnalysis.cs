using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Analysis;

/// <summary>Sums one object's tables over its processes and splits them into needed once, duplicate and empty.</summary>
internal static class ObjectAnalysis
{
    public static (ObjectReport Report, SplitTables Split) Analyse(MachineSnapshot snapshot, ObjectFacts facts, List<ProcessTables> mappers, TableEstimate estimate, int? at, bool withCures, Func<bool>? hasTime = null)
    {
        var live = new double[TableAttribution.Levels + 1];
        var own = new double[live.Length];
        var readLive = new double[live.Length];
        var readOwn = new double[live.Length];
        var most = new double[live.Length];
        double empty = 0, emptyLow = 0, emptyHigh = 0, readEmpty = 0;
        foreach (var process in mappers)
        {
            if (!process.Objects.TryGetValue(facts.Number, out var tables))
            {
                continue;
            }

            for (var level = 1; level < live.Length; level++)
            {
                live[level] += tables.Live[level];
                own[level] += tables.Own[level];
                if (process.IsRead)
                {
                    readLive[level] += tables.Live[level];
                    readOwn[level] += tables.Own[level];
                    most[level] = Math.Max(most[level], tables.View[level]);
                }
            }

            readEmpty += process.IsRead ? tables.Empty : 0;

            (empty, emptyLow, emptyHigh) = (empty + tables.Empty, emptyLow + tables.EmptyLow, emptyHigh + tables.EmptyHigh);
        }

        var sharing = facts.Kind == ObjectKind.Hugetlb && facts.HugePageSize > 0
            ? HugetlbSharingAnalysis.Analyse(snapshot, facts, mappers, estimate.Probes[facts.Number])
            : null;
        var sharedSaved = 0.0;
        if (sharing is not null)
        {
            // What is charged to processes counts a shared table once for each. A table at the object's edge may be
            // charged to a neighbour, so the difference is taken, not the count.
            sharedSaved = Math.Clamp(sharing.TablesIfPrivate - sharing.Tables, 0, live[2]);
            live[2] -= sharedSaved;
        }

        var pieces = ObjectPieces.Of(facts, mappers);
        var needed = NeededOnce(facts, pieces, live, own, most, withUnseen: true);
        var levels = new TablesByLevel(Bytes(live[1]), Bytes(live[2]), Bytes(live[3]));
        var neededBytes = Math.Min(Bytes(needed), levels.Total);
        var extent = ObjectExtent.Of(facts, mappers);
        var isAlwaysNeeded = SampleBound.IsAlwaysNeeded(facts);
        var split = new SplitTables(
            isAlwaysNeeded ? readLive.Sum() : readOwn.Sum(),
            isAlwaysNeeded ? 0 : readLive.Sum() - readOwn.Sum(),
            NeededOnce(facts, pieces, readLive, readOwn, most, withUnseen: false),
            Enumerable.Range(1, TableAttribution.Levels).Sum(l => Math.Max(pieces.Seen[l], Math.Round(most[l]))),
            pieces.Mapped.Sum() - pieces.Seen.Sum(),
            sharedSaved,
            readLive.Sum() + readEmpty,
            live.Sum(),
            Math.Min(needed, live.Sum()),
            live.Sum() + empty);
        return (new ObjectReport(
            facts.Number,
            facts.Name,
            facts.Kind,
            facts.Device,
            facts.Inode,
            mappers.Count,
            extent.MappedBytes,
            PageSizes(facts, mappers),
            levels.Total + Bytes(empty),
            levels,
            neededBytes,
            levels.Total - neededBytes,
            Bytes(empty),
            Bytes(emptyLow),
            Bytes(emptyHigh),
            Bytes(sharedSaved),
            mappers.TrueForAll(m => m.IsRead) ? 0 : Totals.Bytes(Math.Ceiling(split.Error(estimate.Bound.Of(facts.Number)))),
            sharing,
            facts.Dax is null ? null : DaxWindows.Count(snapshot, facts, mappers),
            withCures && (hasTime?.Invoke() ?? true) && facts.Kind is not (ObjectKind.Anonymous or ObjectKind.Special) ? CureAnalysis.Compute(snapshot, facts, mappers, levels.Total, at, extent, hasTime) : [])
        {
            Scope = facts.Scope,
            ResidentBytes = facts.Kind == ObjectKind.Anonymous ? mappers.Total(m => m.Facts.AnonymousBytes) : HasCopies(facts, mappers) ? null : facts.AllocatedBytes,
            TouchedBytes = extent.TouchedBytes,
            HugePages = extent.HugePages,
        }, split);
    }

    /// <summary>Huge pages of a private mapping are the process's own: the file that stands for them in maps has none of them.</summary>
    private static bool HasCopies(ObjectFacts facts, List<ProcessTables> mappers) => facts.Kind == ObjectKind.Hugetlb
        && mappers.Any(m => m.ByObject.Of(facts.Number).Any(i => !m.Facts.Mappings![i].IsShared && (m.Facts.Mappings[i].Rights & MappingRights.Write) != 0));

    private static long Bytes(double tables) => Totals.Bytes(tables);

    /// <summary>
    /// Tables that would do for all: at each level as many as pieces of the object (2 MiB, 1 GiB, 512 GiB of file
    /// offsets) that anybody has entries for; but not fewer than the view with the most has by itself, which
    /// may lie across the borders of pieces.
    /// </summary>
    private static double NeededOnce(ObjectFacts facts, ObjectPieces pieces, double[] live, double[] own, double[] most, bool withUnseen)
    {
        if (SampleBound.IsAlwaysNeeded(facts))
        {
            return live.Sum();
        }

        double needed = 0;
        for (var level = 1; level < live.Length; level++)
        {
            needed += own[level] + Math.Min(live[level] - own[level], Math.Max(pieces.Seen[level] + (withUnseen ? pieces.Unseen[level] : 0), Math.Round(most[level])));
        }

        return needed;
    }

    private static SortedDictionary<string, long> PageSizes(ObjectFacts facts, List<ProcessTables> mappers)
    {
        var bytes = new long[3];
        foreach (var source in mappers.Select(m => m.Pages).OfType<SourcePages>().GroupBy(p => p))
        {
            foreach (var run in source.Key.OfObject(facts.Number))
            {
                bytes[run.LeafLevel] += (long)(run.End - run.Start) * source.Count();
            }
        }

        var sizes = new SortedDictionary<string, long>(StringComparer.Ordinal);
        for (var leaf = 0; leaf < bytes.Length; leaf++)
        {
            if (bytes[leaf] > 0)
            {
                sizes[facts.HugePageSize > 0 ? ByteText.Size((long)facts.HugePageSize) : leaf switch { 0 => "4 KiB", 1 => "2 MiB", _ => "1 GiB" }] = bytes[leaf];
            }
        }

        return sizes;
    }
}
