using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>
/// Pieces of one object (2 MiB, 1 GiB, 512 GiB of file offsets), by level: those that processes which were read have tables for in mappings whose tables others
/// could use, those that anybody maps so, and how many more the unread processes are likely to add.
/// </summary>
/// <param name="Seen">Pieces that some process which was read has a table for.</param>
/// <param name="Mapped">Pieces that somebody maps.</param>
/// <param name="Unseen">The estimate of what the others add. It goes by how many pieces one process alone has, and how many two (Chao, Estimating the Population
/// Size for Capture-Recapture Data with Unequal Catchability, 1987: a lower estimate), and is no more than if each of the others had as many for itself
/// as those that were read have.</param>
internal sealed record ObjectPieces(double[] Seen, double[] Mapped, double[] Unseen)
{
    public static ObjectPieces Of(ObjectFacts facts, List<ProcessTables> mappers)
    {
        var (seen, mapped, unseen) = (new double[TableAttribution.Levels + 1], new double[TableAttribution.Levels + 1], new double[TableAttribution.Levels + 1]);
        if (SampleBound.IsAlwaysNeeded(facts))
        {
            return new ObjectPieces(seen, mapped, unseen);
        }

        var read = mappers.Where(m => m.IsRead).ToList();
        for (var level = 1; level < seen.Length; level++)
        {
            if (read.Count == mappers.Count)
            {
                seen[level] = mapped[level] = RankedIntervals.Of(read.SelectMany(p => p.Pages!.PiecesOf(facts.Number, level))).Count;
                continue;
            }

            var shift = TableCensus.ShiftOf(level);
            mapped[level] = RankedIntervals.Of(mappers.SelectMany(p => p.ByObject.Of(facts.Number).Select(i => p.Facts.Mappings![i]).Where(m => SampleBound.IsShareable(m))
                .Select(m => (m.Offset >> shift, ((m.Offset + (long)m.Length - 1) >> shift) + 1)))).Count;
            var (union, once, twice) = Count(read, facts.Number, level);
            seen[level] = union;
            mapped[level] = Math.Max(mapped[level], union);
            if (read.Count > 0)
            {
                var chao = (read.Count - 1.0) / read.Count * (twice > 0 ? (double)once * once / (2 * twice) : once * (once - 1.0) / 2);
                var disjoint = (double)once / read.Count * (mappers.Count - read.Count);
                unseen[level] = Math.Min(Math.Min(chao, disjoint), mapped[level] - union);
            }
        }

        return new ObjectPieces(seen, mapped, unseen);
    }

    /// <summary>Pieces that any process has, that one alone has, and that just two have.</summary>
    private static (long Union, long Once, long Twice) Count(List<ProcessTables> read, int number, int level)
    {
        var borders = new List<(long At, int Step)>();
        foreach (var process in read)
        {
            foreach (var (first, end) in RankedIntervals.Of(process.Pages!.PiecesOf(number, level)).Intervals)
            {
                borders.Add((first, 1));
                borders.Add((end, -1));
            }
        }

        borders.Sort();
        long union = 0, once = 0, twice = 0, last = 0;
        var depth = 0;
        foreach (var (at, step) in borders)
        {
            union += depth > 0 ? at - last : 0;
            once += depth == 1 ? at - last : 0;
            twice += depth == 2 ? at - last : 0;
            (last, depth) = (at, depth + step);
        }

        return (union, once, twice);
    }
}
