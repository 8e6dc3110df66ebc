using Pando.Census;

namespace Pando.Linux.Tests;

/// <summary>
/// The census as its definition reads: walk every space top down, table by table, and keep the names of shared
/// tables in a set. Slow, and with nothing in common with the census but its input.
/// </summary>
internal static class NaiveCensus
{
    public static TableCounts Count(IEnumerable<CensusSpace> spaces, SharingRule rule)
    {
        var shared = new HashSet<string>[5];
        for (var i = 0; i < shared.Length; i++)
        {
            shared[i] = [];
        }

        var own = new long[5];
        foreach (var space in spaces)
        {
            Walk(space, 4, 0, null, rule, own, shared);
        }

        return new TableCounts(own, [.. shared.Select(s => (long)s.Count)]);
    }

    private static void Walk(CensusSpace space, int level, ulong start, CensusMapping? owner, SharingRule rule, long[] own, HashSet<string>[] shared)
    {
        var end = start + TableCensus.SpanOf(level);
        var inside = space.Mappings.Where(m => m.Start < end && m.End > start).OrderBy(m => m.Start).ToList();
        var hasEntries = inside.Any(m => Runs(m).Any(r => r.LeafLevel < level && r.Start < end && r.End > start));
        if (level < 4 && !hasEntries)
        {
            return;
        }

        if (level < 4 && owner is null && rule.MayShare(level) && Linear(space, inside) is { } linear &&
            (!rule.WholeSpan || (linear.Start <= start && linear.End >= end)))
        {
            owner = linear;
        }

        if (owner is null)
        {
            own[level] += space.Count;
        }
        else
        {
            var offset = owner.FileOffset + (long)(start - owner.Start);
            var from = owner.FileOffset + (long)(Math.Max(start, owner.Start) - owner.Start);
            var to = owner.FileOffset + (long)(Math.Min(end, owner.End) - owner.Start);
            shared[level].Add($"{owner.File} {owner.Class} {(rule.RightsInClass ? owner.Rights : 0)} {offset} {from} {to}");
        }

        var child = level - 1;
        if (child > 0)
        {
            var first = inside.Count == 0 ? start : Math.Max(start, inside[0].Start & ~(TableCensus.SpanOf(child) - 1));
            var last = inside.Count == 0 ? start : Math.Min(end, inside.Max(m => m.End));
            for (var at = first; at < last; at += TableCensus.SpanOf(child))
            {
                Walk(space, child, at, owner, rule, own, shared);
            }
        }
    }

    /// <summary>The one linear mapping that the given pieces are, over its whole length; null if they are more.</summary>
    private static CensusMapping? Linear(CensusSpace space, List<CensusMapping> pieces)
    {
        if (pieces.Count == 0 || !pieces.All(p => p.Shareable))
        {
            return null;
        }

        var joined = pieces[0];
        var all = space.Mappings.OrderBy(m => m.Start).ToList();
        for (var i = all.IndexOf(pieces[0]) - 1; i >= 0 && Continues(all[i], joined); i--)
        {
            joined = joined with { Start = all[i].Start, FileOffset = all[i].FileOffset };
        }

        for (var i = all.IndexOf(pieces[0]) + 1; i < all.Count && Continues(joined, all[i]); i++)
        {
            joined = joined with { End = all[i].End };
        }

        return pieces.All(p => p.End <= joined.End) ? joined : null;
    }

    private static bool Continues(CensusMapping a, CensusMapping b) =>
        a.Shareable && b.Shareable && a.End == b.Start && a.File == b.File && a.Class == b.Class && a.Rights == b.Rights && a.FileOffset + (long)(a.End - a.Start) == b.FileOffset;

    private static IEnumerable<CensusRun> Runs(CensusMapping mapping) => mapping.Populated ?? [new CensusRun(mapping.Start, mapping.End, mapping.LeafLevel)];
}
