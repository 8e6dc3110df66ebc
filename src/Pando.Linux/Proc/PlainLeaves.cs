using Pando.Files;
using Pando.Linux.Analysis;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Proc;

/// <summary>
/// Finds 2 MiB leaves where PAGEMAP_SCAN is missing (before Linux 6.7): plain pagemap does not tell them from 4 KiB
/// ones. For ordinary memory smaps has their sum. For DAX files it leaves them out (smaps_pmd_entry passes over device
/// pages), so each window is judged by the kernel's rules, and VmPTE tells how many of them had 4 KiB entries first.
/// </summary>
internal sealed class PlainLeaves(ScanOptions options, IReadOnlyList<ObjectFacts> objects, FileContents file)
{
    private const ulong Window = 2UL << 20;

    /// <summary>The process with the leaf levels of its populated runs put right.</summary>
    public ProcessFacts Of(ProcessFacts process)
    {
        var huge = SmapsParser.ByStart(file, $"{options.Proc}/{process.Reader}/smaps").Values
            .Where(e => e.HugeMappedBytes > 0)
            .ToDictionary(e => e.Start, e => e.HugeMappedBytes);
        var runs = new List<PopulatedRun>();
        foreach (var run in process.Populated!)
        {
            var mapping = process.Mappings![run.Mapping];
            if (run.LeafLevel == 0 && objects[mapping.ObjectNumber].Dax is { } dax)
            {
                AddJudged(runs, run, mapping, dax);
            }
            else
            {
                AddBySum(runs, run, mapping, huge);
            }
        }

        process = process with { Populated = runs };
        if (process.Mappings!.Any(m => objects[m.ObjectNumber].Dax is not null))
        {
            GiveBack(process, runs);
        }

        return process;
    }

    /// <summary>Huge bytes of a mapping can only stand in whole windows, and the first whole windows are taken.</summary>
    private static void AddBySum(List<PopulatedRun> runs, in PopulatedRun run, in MappingFacts mapping, Dictionary<ulong, long> huge)
    {
        var left = run.LeafLevel == 0 ? huge.GetValueOrDefault(mapping.Start) : 0;
        var start = (run.Start + Window - 1) & ~(Window - 1);
        var end = Math.Min(run.End & ~(Window - 1), start + (ulong)left);
        if (left == 0 || start >= end)
        {
            runs.Add(run);
            return;
        }

        huge[mapping.Start] = left - (long)(end - start);
        if (run.Start < start)
        {
            runs.Add(run with { End = start });
        }

        runs.Add(run with { Start = start, End = end, LeafLevel = 1 });
        if (end < run.End)
        {
            runs.Add(run with { Start = end });
        }
    }

    private static void AddJudged(List<PopulatedRun> runs, in PopulatedRun run, in MappingFacts mapping, DaxFacts dax)
    {
        for (var start = run.Start; start < run.End;)
        {
            var window = start & ~(Window - 1);
            var end = Math.Min(window + Window, run.End);
            // A private mapping has 2 MiB leaves until it is written: VmPTE tells.
            var leaf = DaxGranularity.JudgeWindow(mapping with { Rights = mapping.Rights & ~MappingRights.Write }, dax, window) == SmallPageReason.None ? 1 : 0;
            if (start > run.Start && runs[^1].LeafLevel == leaf)
            {
                runs[^1] = runs[^1] with { End = end };
            }
            else
            {
                runs.Add(run with { Start = start, End = end, LeafLevel = leaf });
            }

            start = end;
        }
    }

    /// <summary>VmPTE counts more tables than the leaves need: that many windows have 4 KiB leaves after all. Which ones
    /// nothing tells; the last of the file's are taken.</summary>
    private void GiveBack(ProcessFacts process, List<PopulatedRun> runs)
    {
        var missing = (process.TableBytes / TableCounts.TableBytes) - TableAttribution.Charge(process).Cast<long>().Sum();
        for (var i = runs.Count - 1; i >= 0 && missing > 0; i--)
        {
            if (runs[i].LeafLevel != 1 || objects[process.Mappings![runs[i].Mapping].ObjectNumber].Dax is null)
            {
                continue;
            }

            var windows = Math.Min(missing, (long)((runs[i].End - runs[i].Start) / Window));
            var border = runs[i].End - ((ulong)windows * Window);
            missing -= windows;
            var small = runs[i] with { Start = border, LeafLevel = 0 };
            runs[i] = runs[i] with { End = border };
            runs.Insert(i + 1, small);
            if (runs[i].Start == runs[i].End)
            {
                runs.RemoveAt(i);
            }
        }
    }
}
