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
        var most = Math.Max(1, MostReads / Math.Max(1, 4L * mappings.Count));
        var groups = CandidateOffsets(mappings, most, out var standsFor);
        if (standsFor > 1)
        {
            notes.Add($"Sharing of hugetlb object {number} was looked at in every {standsFor}th GiB only.");
        }

        var offsets = groups.SelectMany(g => g).Distinct().ToArray();
        var present = offsets.ToDictionary(o => o, _ => new List<int>());
        var frames = new Dictionary<long, ulong>();
        var late = reader.ForEach([.. mappings.GroupBy(m => m.Process.Pid)], 1, g => g.Key, "its huge pages", (g, file) => PresentFrames(g.First().Process.Reader, [.. g.Select(m => m.Mapping)], offsets, file), (g, entries) =>
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

        if (late > 0)
        {
            // Tables are held against all processes that have the page: some will not do.
            notes.Add($"The time budget ran out before tables of hugetlb object {number} were counted: whether they are shared is judged by the kernel's rules.");
            return [];
        }

        // Of each span's candidates the page that most processes have tells most.
        var chosen = groups
            .Select(g => g.OrderByDescending(o => present[o].Count).First())
            .Where(o => present[o].Count > 0)
            .Distinct();
        return [.. chosen.Select(o => new HugetlbProbe(number, o, present[o], TablesOf(frames[o]), standsFor))];
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

    /// <summary>For each 1 GiB span of each layout (the same part of the object at the same place within a GiB): up to four pages to look at. Of more than
    /// <paramref name="most"/> spans evenly spaced ones, each of which stands for several.</summary>
    private static List<long[]> CandidateOffsets(List<(ProcessFacts Process, MappingFacts Mapping)> mappings, long most, out int standsFor)
    {
        var layouts = mappings
            .GroupBy(m => (m.Mapping.Offset, m.Mapping.Length, Place: m.Mapping.Start & (PmdSpan - 1)))
            .Select(g => g.FirstOrDefault(m => m.Process.Populated is not null || m.Process.HugeRuns is not null, g.First()))
            .OrderBy(m => m.Mapping.Offset).ThenBy(m => m.Mapping.Start)
            .ToList();
        var spans = layouts.Sum(l => (long)(((l.Mapping.End - 1) / PmdSpan) - (l.Mapping.Start / PmdSpan) + 1));
        standsFor = (int)Math.Min(int.MaxValue, (spans + most - 1) / most);
        var groups = new Dictionary<(long Start, long End), long[]>();
        long index = 0;
        foreach (var (process, mapping) in layouts)
        {
            var runs = process.Populated ?? process.HugeRuns ?? [];
            for (var span = mapping.Start & ~(PmdSpan - 1); span < mapping.End; span += PmdSpan)
            {
                if (index++ % standsFor != 0)
                {
                    continue;
                }

                var from = Math.Max(span, mapping.Start);
                var to = Math.Min(span + PmdSpan, mapping.End);
                var start = mapping.Offset + (long)(from - mapping.Start);
                var end = mapping.Offset + (long)(to - mapping.Start);
                var first = FirstRun(runs, from);
                long[] populated = first < runs.Count && runs[first].Start < to ? [mapping.Offset + (long)(Math.Max(runs[first].Start, from) - mapping.Start)] : [];
                groups.TryAdd((start, end), [.. populated.Append(start).Append(start + ((end - start) / 2 / HugePage * HugePage)).Append(end - HugePage).Distinct()]);
            }
        }

        return [.. groups.OrderBy(g => g.Key).Select(g => g.Value)];
    }

    /// <summary>The index of the first run that ends above an address.</summary>
    private static int FirstRun(IReadOnlyList<PopulatedRun> runs, ulong address)
    {
        var (low, high) = (0, runs.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = runs[middle].End <= address ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    // Frame numbers are hidden from ordinary users: they read as zero.
    private long? TablesOf(ulong frame) => frame == 0 ? null : FrameCounters.Read(options.Proc, "kpagecount", frame);
}
