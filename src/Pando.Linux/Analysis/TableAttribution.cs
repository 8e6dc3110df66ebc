using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>
/// Charges the page tables of one process that was read to the page to its mappings: each table exists because of
/// the entries in it, and where several mappings have entries in one table, the one with the most gets it whole, so
/// that charges add up to tables.
/// </summary>
internal static class TableAttribution
{
    /// <summary>Levels below the root of a four-level tree: what VmPTE counts (P4D tables are not in it).</summary>
    public const int Levels = 3;

    /// <summary>Tables by [mapping, level]; level 0 is unused.</summary>
    public static long[,] Charge(ProcessFacts process)
    {
        var charges = new long[process.Mappings!.Count, Levels + 1];
        for (var level = 1; level <= Levels; level++)
        {
            ChargeLevel(process, level, charges);
        }

        return charges;
    }

    private static void ChargeLevel(ProcessFacts process, int level, long[,] charges)
    {
        var shift = TableCensus.ShiftOf(level);
        var border = new Border(charges, level);
        foreach (var run in process.Populated!)
        {
            if (run.LeafLevel >= level && !(level == 1 && KeepsReserve(process, run)))
            {
                continue;
            }

            var first = run.Start >> shift;
            var last = (run.End - 1) >> shift;
            border.Add(first, run.Mapping, Math.Min(run.End, (first + 1) << shift) - run.Start);
            if (last > first)
            {
                // Spans strictly inside a run are its own; at the last one the next run may join.
                charges[run.Mapping, level] += (long)(last - first - 1);
                border.Add(last, run.Mapping, run.End - (last << shift));
            }
        }

        border.Flush();
    }

    /// <summary>A transparent huge page of private memory keeps a PTE table in reserve, to be split into at any
    /// moment (pgtable_trans_huge_deposit); VmPTE counts it. Files and shmem keep none on x86 and Arm64.</summary>
    private static bool KeepsReserve(ProcessFacts process, in PopulatedRun run) =>
        run.LeafLevel == 1 && process.Mappings![run.Mapping].ObjectNumber == ObjectFacts.Anonymous;

    /// <summary>The span that the sweep is in, and who has how many bytes in it.</summary>
    private sealed class Border(long[,] charges, int level)
    {
        private readonly List<(int Mapping, ulong Bytes)> _weights = [];
        private ulong _span = ulong.MaxValue;

        public void Add(ulong span, int mapping, ulong bytes)
        {
            if (span != _span)
            {
                Flush();
                _span = span;
            }

            if (_weights.Count > 0 && _weights[^1].Mapping == mapping)
            {
                _weights[^1] = (mapping, _weights[^1].Bytes + bytes);
            }
            else
            {
                _weights.Add((mapping, bytes));
            }
        }

        public void Flush()
        {
            if (_weights.Count > 0)
            {
                charges[_weights.MaxBy(w => w.Bytes).Mapping, level]++;
                _weights.Clear();
            }
        }
    }
}
