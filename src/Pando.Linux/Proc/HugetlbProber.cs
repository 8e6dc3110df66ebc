using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>
/// Finds how many page tables map a huge page: /proc/kpagecount counts, for hugetlb, the tables that point at the
/// page, and pagemap tells the processes in whose tables it is present. Fewer tables than processes = shared tables.
/// </summary>
internal sealed class HugetlbProber(ScanOptions options, PatientReader reader)
{
    private const ulong PmdSpan = 1UL << 30;
    private const long HugePage = 2 << 20;

    // Reads of single entries; at about a microsecond each this bounds the pass to a fraction of a second.
    private const long MostReads = 250_000;

    public IReadOnlyList<HugetlbProbe> Probe(IReadOnlyList<ObjectFacts> objects, IReadOnlyList<ProcessFacts> processes, List<string> notes)
    {
        var targets = new Dictionary<int, List<(ProcessFacts Process, MappingFacts Mapping)>>();
        foreach (var process in processes)
        {
            foreach (var mapping in process.Mappings ?? [])
            {
                if (objects[mapping.ObjectNumber] is { Kind: ObjectKind.Hugetlb, HugePageSize: (ulong)HugePage })
                {
                    if (!targets.TryGetValue(mapping.ObjectNumber, out var list))
                    {
                        targets[mapping.ObjectNumber] = list = [];
                    }

                    list.Add((process, mapping));
                }
            }
        }

        var probes = new List<HugetlbProbe>();
        foreach (var (number, mappings) in targets)
        {
            probes.AddRange(ProbeObject(number, mappings, notes));
        }

        return probes;
    }

    private IEnumerable<HugetlbProbe> ProbeObject(int number, List<(ProcessFacts Process, MappingFacts Mapping)> mappings, List<string> notes)
    {
        var groups = CandidateOffsets(number, mappings);
        var most = Math.Max(1, MostReads / Math.Max(1, 4L * mappings.Count));
        if (groups.Count > most)
        {
            var step = (groups.Count + most - 1) / most;
            notes.Add($"Sharing of hugetlb object {number} was looked at in every {step}th GiB only.");
            groups = [.. groups.Where((_, i) => i % step == 0)];
        }

        var offsets = groups.SelectMany(g => g).Distinct().ToArray();
        var present = offsets.ToDictionary(o => o, _ => new List<int>());
        var frames = new Dictionary<long, ulong>();
        reader.ForEach([.. mappings.GroupBy(m => m.Process.Pid)], 1, g => g.Key, "its huge pages", (g, file) => PresentFrames(g.First().Process.Reader, [.. g.Select(m => m.Mapping)], offsets, file), (g, entries) =>
        {
            foreach (var (offset, frame) in entries)
            {
                // A private mapping may hold its own copy of the page: another frame, and no part of the object.
                var isAnother = frames.GetValueOrDefault(offset) is var first && first != 0 && frame != first;
                if (!isAnother && (present[offset].Count == 0 || present[offset][^1] != g.Key))
                {
                    frames[offset] = frame;
                    present[offset].Add(g.Key);
                }
            }
        });

        // Of each span's candidates the page that most processes have tells most.
        var chosen = groups
            .Select(g => g.OrderByDescending(o => present[o].Count).First())
            .Where(o => present[o].Count > 0)
            .Distinct();
        return [.. chosen.Select(o => new HugetlbProbe(number, o, present[o], TablesOf(frames[o])))];
    }

    /// <summary>The pages of these offsets that are in the process's tables, with their frames.</summary>
    private List<(long Offset, ulong Frame)> PresentFrames(int pid, IReadOnlyList<MappingFacts> mappings, long[] offsets, FileContents file)
    {
        var found = new List<(long, ulong)>();
        using var pageMap = PageMap.Open($"{options.Proc}/{pid}/pagemap", file.Heart, out _);
        if (pageMap is null)
        {
            return found;
        }

        foreach (var offset in offsets)
        {
            foreach (var mapping in mappings)
            {
                if (offset < mapping.Offset || offset >= mapping.Offset + (long)mapping.Length)
                {
                    continue;
                }

                var entry = pageMap.EntryAt(mapping.Start + (ulong)(offset - mapping.Offset));
                if ((entry & KernelAbi.PagemapPresent) != 0)
                {
                    found.Add((offset, entry & KernelAbi.PagemapFrameMask));
                }
            }
        }

        return found;
    }

    /// <summary>For each 1 GiB span of each layout: up to four pages to look at.</summary>
    private static List<long[]> CandidateOffsets(int number, List<(ProcessFacts Process, MappingFacts Mapping)> mappings)
    {
        var groups = new Dictionary<(long Start, long End), long[]>();
        foreach (var (process, mapping) in mappings)
        {
            for (var span = mapping.Start & ~(PmdSpan - 1); span < mapping.End; span += PmdSpan)
            {
                var from = Math.Max(span, mapping.Start);
                var to = Math.Min(span + PmdSpan, mapping.End);
                var start = mapping.Offset + (long)(from - mapping.Start);
                var end = mapping.Offset + (long)(to - mapping.Start);
                if (groups.ContainsKey((start, end)))
                {
                    continue;
                }

                var offsets = new List<long> { start, start + ((end - start) / 2 / HugePage * HugePage), end - HugePage };
                foreach (var run in process.Populated ?? [])
                {
                    if (process.Mappings![run.Mapping].ObjectNumber == number && run.Start < to && run.End > from && run.Start >= mapping.Start && run.End <= mapping.End)
                    {
                        offsets.Insert(0, mapping.Offset + (long)(Math.Max(run.Start, from) - mapping.Start));
                        break;
                    }
                }

                groups[(start, end)] = [.. offsets.Distinct()];
            }
        }

        return [.. groups.OrderBy(g => g.Key).Select(g => g.Value)];
    }

    // Frame numbers are hidden from ordinary users: they read as zero.
    private long? TablesOf(ulong frame) => frame == 0 ? null : FrameCounters.Read(options.Proc, "kpagecount", frame);
}
