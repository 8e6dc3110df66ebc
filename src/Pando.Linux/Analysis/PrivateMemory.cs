using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>
/// Private memory of one process that a server would make of huge pages by a setting of its own: the mappings, the pages
/// that they need, and the PTE tables that go. A table that shows other memory too stays.
/// </summary>
/// <param name="Bytes">Bytes of the mappings.</param>
/// <param name="TableBytes">PTE tables that go, in bytes; null if the process was not read to the page.</param>
internal sealed record PrivateMemory(long Bytes, long? TableBytes)
{
    /// <summary>Sums the private mappings without a file that <paramref name="isChosen"/> chooses by their index.</summary>
    public static PrivateMemory Of(ProcessTables process, Func<int, bool> isChosen)
    {
        var mappings = process.Facts.Mappings!;
        var chosen = new HashSet<int>();
        for (var i = 0; i < mappings.Count; i++)
        {
            if (IsPrivate(mappings[i]) && isChosen(i))
            {
                chosen.Add(i);
            }
        }

        var bytes = chosen.Total(i => (long)mappings[i].Length);
        return new PrivateMemory(bytes, process.IsRead ? Tables(process.Facts, chosen) * TableCounts.TableBytes : null);
    }

    /// <summary>True for memory of the process's own, without a file.</summary>
    public static bool IsPrivate(in MappingFacts mapping) => mapping.ObjectNumber == ObjectFacts.Anonymous && !mapping.IsShared;

    /// <summary>Windows in which the chosen mappings have a PTE table (in use, or in reserve below a transparent huge page), and
    /// no other mapping has entries.</summary>
    private static long Tables(ProcessFacts process, HashSet<int> chosen)
    {
        var shift = TableCensus.ShiftOf(1);
        long tables = 0;
        var last = ulong.MaxValue;
        var isOnlyChosen = false;
        foreach (var run in process.Populated!)
        {
            var (first, end) = (run.Start >> shift, (run.End - 1) >> shift);
            if (first == last)
            {
                // The window that the run before ended in: one table of both.
                isOnlyChosen &= chosen.Contains(run.Mapping);
                first++;
                if (first > end)
                {
                    continue;
                }
            }

            tables += isOnlyChosen ? 1 : 0;
            isOnlyChosen = chosen.Contains(run.Mapping);
            tables += isOnlyChosen ? (long)(end - first) : 0;
            last = end;
        }

        return tables + (isOnlyChosen ? 1 : 0);
    }
}
