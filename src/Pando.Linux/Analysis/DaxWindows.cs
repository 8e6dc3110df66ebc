using Pando.Files;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>
/// Counts the 2 MiB windows of a DAX object over its processes: those with a 2 MiB leaf, those with 4 KiB leaves and
/// why, those without entries. Processes carried over from a like one are counted as that one.
/// </summary>
internal sealed class DaxWindows
{
    private const int Shift = 21;
    private readonly DaxFacts _dax;
    private readonly bool _kernelHasPmd;
    private readonly Dictionary<(int SourcePid, ulong Phase, long Offset, ulong Length, MappingRights Rights), Counts> _known = [];

    private DaxWindows(DaxFacts dax, bool kernelHasPmd) => (_dax, _kernelHasPmd) = (dax, kernelHasPmd);

    public static DaxPages Count(MachineSnapshot snapshot, ObjectFacts facts, List<ProcessTables> mappers)
    {
        var windows = new DaxWindows(facts.Dax!, KernelSupport.Of(snapshot.Machine).DaxPmd);
        var all = new Counts();
        foreach (var process in mappers)
        {
            foreach (var i in process.ByObject.Of(facts.Number))
            {
                all.Add(windows.Of(process, i));
            }
        }

        var start = facts.Dax!.DeviceStart;
        var aligned = facts.Dax.Extents.Count(e => ((start ?? 0) + e.Physical - e.Logical) % TableCensus.SpanOf(1) == 0);
        var place = start is { } known ? $"0x{known:x}" : "an address that only root may read";
        return new DaxPages(all.Huge, all.Small, all.None,
            new SortedDictionary<string, long>(all.Reasons.ToDictionary(r => r.Key.ToString(), r => r.Value), StringComparer.Ordinal),
            $"{facts.Dax.FileSystem} file of {ByteText.Size(facts.Dax.FileSize)}; {facts.Dax.Extents.Count} extent{(facts.Dax.Extents.Count == 1 ? "" : "s")}, {aligned} at a place congruent to the file offset modulo 2 MiB; the device begins at {place}");
    }

    private Counts Of(ProcessTables process, int index)
    {
        if (process.Source is null)
        {
            return new Counts();
        }

        // A carried-over mapping has its source's runs, moved; only whole windows matter, so the result is the same
        // as long as the address is congruent modulo 2 MiB.
        var mapping = process.Facts.Mappings![index];
        var runs = CureAnalysis.Runs(process, index);
        if (process.IsRead || runs.Count == 0)
        {
            return Count(mapping, runs);
        }

        var key = (process.Source.Pid, mapping.Start & (TableCensus.SpanOf(1) - 1), mapping.Offset, mapping.Length, mapping.Rights);
        if (!_known.TryGetValue(key, out var counts))
        {
            _known[key] = counts = Count(mapping, runs);
        }

        return counts;
    }

    private Counts Count(MappingFacts mapping, List<CensusRun> runs)
    {
        var counts = new Counts { None = (long)(((mapping.End - 1) >> Shift) - (mapping.Start >> Shift)) + 1 };
        foreach (var run in runs)
        {
            var (first, last) = (run.Start >> Shift, (run.End - 1) >> Shift);
            counts.None -= (long)(last - first) + 1;
            if (run.LeafLevel > 0)
            {
                counts.Huge += (long)(last - first) + 1;
                continue;
            }

            counts.Small += (long)(last - first) + 1;
            for (var window = first; window <= last;)
            {
                var (reason, windows) = DaxGranularity.JudgeFrom(mapping, _dax, window << Shift, (long)(last - window) + 1, _kernelHasPmd);
                counts.Say(reason == SmallPageReason.None ? SmallPageReason.SmallEntriesFirst : reason, windows);
                window += (ulong)windows;
            }
        }

        return counts;
    }

    private sealed class Counts
    {
        public long Huge { get; set; }

        public long Small { get; set; }

        public long None { get; set; }

        public Dictionary<SmallPageReason, long> Reasons { get; } = [];

        public void Say(SmallPageReason reason, long windows) => Reasons[reason] = Reasons.GetValueOrDefault(reason) + windows;

        public void Add(Counts other)
        {
            (Huge, Small, None) = (Huge + other.Huge, Small + other.Small, None + other.None);
            foreach (var (reason, windows) in other.Reasons)
            {
                Say(reason, windows);
            }
        }
    }
}
