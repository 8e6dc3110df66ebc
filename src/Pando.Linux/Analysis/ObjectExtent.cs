using Pando.Intervals;
using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>
/// How much of an object is mapped and touched, over all its processes.
/// </summary>
/// <param name="MappedBytes">Bytes of it that some process maps; of private memory the sum.</param>
/// <param name="TouchedBytes">Bytes of its 2 MiB pieces in which somebody has an entry.</param>
/// <param name="HugePages">Pages of 2 MiB that hold what is mapped.</param>
/// <param name="GiantPages">Pages of 1 GiB that do.</param>
internal sealed record ObjectExtent(long MappedBytes, long TouchedBytes, long HugePages, long GiantPages)
{
    public static ObjectExtent Of(ObjectFacts facts, List<ProcessTables> mappers)
    {
        var isPrivate = facts.Kind == ObjectKind.Anonymous;
        var (huge, giant) = (TableCensus.ShiftOf(1), TableCensus.ShiftOf(2));
        long sum = 0;
        var mapped = new IntervalSet();
        var hugePages = new IntervalSet();
        var giantPages = new IntervalSet();
        foreach (var mapping in mappers.SelectMany(p => p.ByObject.Of(facts.Number).Select(m => p.Facts.Mappings![m])))
        {
            var end = mapping.Offset + (long)mapping.Length;
            sum = Totals.Add(sum, (long)mapping.Length);
            if (!isPrivate)
            {
                mapped.Add(mapping.Offset, end);
                hugePages.Add(mapping.Offset >> huge, ((end - 1) >> huge) + 1);
                giantPages.Add(mapping.Offset >> giant, ((end - 1) >> giant) + 1);
            }
        }

        long windows = 0;
        var touched = new IntervalSet();
        foreach (var process in mappers.Where(m => m.IsRead))
        {
            foreach (var run in process.Pages!.OfObject(facts.Number))
            {
                var mapping = process.Facts.Mappings![run.Mapping];
                windows += (long)(((run.End - 1) >> huge) - (run.Start >> huge) + 1);
                var offset = mapping.Offset + (long)(run.Start - mapping.Start);
                if (!isPrivate)
                {
                    touched.Add(offset >> huge, ((offset + (long)(run.End - run.Start) - 1) >> huge) + 1);
                }
            }
        }

        return isPrivate
            ? new ObjectExtent(sum, Math.Min(windows, long.MaxValue >> (huge + 2)) << huge, (sum + (1L << huge) - 1) >> huge, (sum + (1L << giant) - 1) >> giant)
            : new ObjectExtent(mapped.Length, touched.Length << huge, hugePages.Length, giantPages.Length);
    }
}
