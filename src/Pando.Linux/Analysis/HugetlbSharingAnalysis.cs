using System.Globalization;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>
/// Holds the kernel's rules of sharing hugetlb PMD tables against what kpagecount says, for one object: how many
/// tables there are, who has a table of its own, and why.
/// </summary>
internal sealed class HugetlbSharingAnalysis
{
    private const ulong Span = 1UL << 30;
    private const ulong Mask = Span - 1;
    private const ulong HugePage = 2UL << 20;

    private readonly MachineSnapshot _snapshot;
    private readonly ObjectFacts _object;
    private readonly List<Place> _places = [];
    private readonly Dictionary<(int Pid, ShareRefusal Reason), (int Spans, string Detail)> _refusals = [];
    private readonly List<string> _remarks = [];

    private HugetlbSharingAnalysis(MachineSnapshot snapshot, ObjectFacts facts) => (_snapshot, _object) = (snapshot, facts);

    /// <summary>Analyses one hugetlb object.</summary>
    public static HugetlbSharing Analyse(MachineSnapshot snapshot, ObjectFacts facts, IEnumerable<ProcessTables> mappers) =>
        new HugetlbSharingAnalysis(snapshot, facts).Analyse(mappers);

    private HugetlbSharing Analyse(IEnumerable<ProcessTables> mappers)
    {
        var probes = _snapshot.Probes.Where(p => p.ObjectNumber == _object.Number).ToList();
        var processes = mappers.ToList();
        if (_object.HugePageSize != HugePage)
        {
            return new HugetlbSharing(false, processes.Count, 0, 0, 0, [],
                [$"{nameof(ShareRefusal.PageSize)}: only PMD tables of 2 MiB pages are shared; pages of {ByteText.Size((long)_object.HugePageSize)} are never."]);
        }

        foreach (var process in processes)
        {
            AddPlaces(process, probes);
        }

        var measured = probes.Count > 0 && probes.All(p => p.Tables is not null);
        var spans = _places.GroupBy(p => p.OffsetAtSpan).Select(g => new SpanGroup([.. g])).ToList();
        long tables = spans.Sum(s => s.Predicted);
        if (measured)
        {
            tables += Correction(spans, probes);
        }

        Refuse(spans);
        var sharing = spans.SelectMany(s => s.Sharers).Select(p => p.Pid).Distinct().Count();
        var outsiders = _refusals
            .GroupBy(r => r.Key.Pid)
            .Select(g => new Outsider(g.Key, processes.First(p => p.Facts.Pid == g.Key).Facts.Name,
                spans.Sum(s => s.OwnTables(g.Key)),
                [.. g.Select(r => new Refusal(r.Key.Reason, r.Value.Spans, r.Value.Detail))]))
            .Where(o => o.OwnTables > 0)
            .OrderByDescending(o => o.OwnTables)
            .ToList();
        return new HugetlbSharing(measured, processes.Count, _places.Count, tables, sharing, outsiders, _remarks)
        {
            SharedCells = spans.SelectMany(s => s.Sharers).SelectMany(Cells).ToHashSet(),
        };
    }

    /// <summary>One 1 GiB span of one process in which it has a table for the object.</summary>
    private void AddPlaces(ProcessTables process, List<HugetlbProbe> probes)
    {
        var mappings = process.Facts.Mappings!;
        var bySpan = new Dictionary<ulong, int>();
        for (var i = 0; i < mappings.Count; i++)
        {
            var mapping = mappings[i];
            if (mapping.ObjectNumber != _object.Number)
            {
                continue;
            }

            for (var span = mapping.Start & ~Mask; span < mapping.End; span += Span)
            {
                var from = Math.Max(span, mapping.Start);
                var to = Math.Min(span + Span, mapping.End);
                var start = mapping.Offset + (long)(from - mapping.Start);
                var end = mapping.Offset + (long)(to - mapping.Start);
                var isPopulated = process.IsRead
                    ? process.Facts.Populated!.Any(r => r.Start < to && r.End > from)
                    : probes.Any(p => p.Offset >= start && p.Offset < end && p.Present.Contains(process.Facts.Pid));
                if (isPopulated)
                {
                    var flags = process.Facts.VmFlags?.GetValueOrDefault(i);
                    var place = new Place(process.Facts.Pid, mapping, mapping.Offset + unchecked((long)(span - mapping.Start)), start, end, flags ?? mapping.RightsText(), flags is not null);
                    place = place with { Refusal = OwnReason(place, span) };
                    if (bySpan.TryGetValue(span, out var known))
                    {
                        // Several VMAs of the object in one span hang below one table.
                        _places[known] = _places[known] with { Start = Math.Min(_places[known].Start, start), End = Math.Max(_places[known].End, end) };
                    }
                    else
                    {
                        bySpan[span] = _places.Count;
                        _places.Add(place);
                    }
                }
            }
        }
    }

    /// <summary>The reason that lies in this mapping alone, whatever the others do; null if there is none.</summary>
    private (ShareRefusal Reason, string Detail)? OwnReason(Place place, ulong span)
    {
        var config = _snapshot.Machine.Config;
        var option = config.GetValueOrDefault("CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING") ?? config.GetValueOrDefault("CONFIG_ARCH_WANT_HUGE_PMD_SHARE");
        if (option == "n" || (option is null && config.Count > 0))
        {
            return (ShareRefusal.KernelWithoutSharing, $"{_snapshot.Machine.KernelRelease} is built without CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING");
        }

        var mapping = place.Mapping;
        if (!mapping.IsShared)
        {
            return (ShareRefusal.PrivateMapping, $"{Range(mapping)} is mapped {mapping.RightsText()}: MAP_PRIVATE");
        }

        var words = place.FlagsKnown ? place.Flags.Split(' ') : [];
        if (words.Contains("uw") || words.Contains("ui"))
        {
            return (ShareRefusal.Userfaultfd, $"{Range(mapping)} has userfaultfd {(words.Contains("uw") ? "write-protect" : "minor")} mode");
        }

        if (mapping.Start > span || mapping.End < span + Span)
        {
            var covered = (Math.Min(mapping.End, span + Span) - Math.Max(mapping.Start, span)) >> 20;
            return (ShareRefusal.SpanNotCovered, $"{Range(mapping)} covers {covered} of the 1024 MiB at 0x{span:x}");
        }

        return null;
    }

    /// <summary>What kpagecount adds to or takes from the number of tables that the rules predict.</summary>
    private long Correction(List<SpanGroup> spans, List<HugetlbProbe> probes)
    {
        long correction = 0;
        var corrected = new HashSet<SpanGroup>();
        foreach (var probe in probes)
        {
            var present = probe.Present.ToHashSet();
            var at = spans.Select(s => (Span: s, Places: s.Places.Where(p => p.Start <= probe.Offset && probe.Offset < p.End && present.Contains(p.Pid)).ToList()))
                .Where(s => s.Places.Count > 0)
                .ToList();
            if (at.Count == 0)
            {
                continue;
            }

            var predicted = at.Sum(s => new SpanGroup(s.Places).Predicted);
            var main = at.MaxBy(s => s.Places.Count).Span;
            var difference = (probe.Tables ?? predicted) - predicted;
            if (difference == 0 || !corrected.Add(main))
            {
                continue;
            }

            correction += difference;
            var offset = string.Create(CultureInfo.InvariantCulture, $"the page at offset {probe.Offset >> 20} MiB is in {probe.Tables} tables for {present.Count} processes, the rules give {predicted}");
            _remarks.Add(difference < 0
                ? $"{offset}: some would be refused for a new fault, and still share a table from before (flags changed after the first touch)."
                : $"{offset}: {difference} more tables than need be.");
            if (difference > 0)
            {
                foreach (var place in main.Sharers.Take((int)difference))
                {
                    Add(place.Pid, ShareRefusal.NotSharedYet, "one of the processes that could share has its own table; kpagecount does not say which");
                }
            }
        }

        return correction;
    }

    /// <summary>Names, for every place that is not in its span's main group, the reason.</summary>
    private void Refuse(List<SpanGroup> spans)
    {
        var byPhase = _places.GroupBy(p => p.OffsetAtSpan & (long)Mask).OrderByDescending(g => g.Select(p => p.Pid).Distinct().Count()).ThenByDescending(g => g.Count()).ToList();
        var processes = _places.Select(p => p.Pid).Distinct().Count();
        foreach (var span in spans)
        {
            foreach (var place in span.Places)
            {
                if (place.Refusal is { } own)
                {
                    Add(place.Pid, own.Reason, own.Detail);
                }
                else if (span.Sharers.Contains(place))
                {
                    continue;
                }
                else if (processes == 1)
                {
                    Add(place.Pid, ShareRefusal.NobodyElse, "no other process has this part of the object in its tables");
                }
                else if ((place.OffsetAtSpan & (long)Mask) != byPhase[0].Key)
                {
                    var other = byPhase[0].First().Mapping;
                    Add(place.Pid, ShareRefusal.AddressNotCongruent, string.Create(CultureInfo.InvariantCulture,
                        $"{Range(place.Mapping)} puts offset 0 at {Phase(place.Mapping) >> 20} MiB past a GiB border, the others' {Range(other)} at {Phase(other) >> 20} MiB"));
                }
                else if (span.Main is { } main && main.Pid != place.Pid)
                {
                    AddFlagsDiffer(place, main);
                }
                else
                {
                    Add(place.Pid, ShareRefusal.NobodyElse, "no other process has this GiB in its tables under a mapping that may share");
                }
            }
        }
    }

    private void AddFlagsDiffer(Place place, Place main)
    {
        const MappingRights Access = MappingRights.Read | MappingRights.Write | MappingRights.Execute;
        if ((place.Mapping.Rights & Access) != (main.Mapping.Rights & Access))
        {
            Add(place.Pid, ShareRefusal.RightsDiffer, $"{Range(place.Mapping)} is {place.Mapping.RightsText()}, the others' is {main.Mapping.RightsText()}");
            return;
        }

        var mine = place.Flags.Split(' ').Except(main.Flags.Split(' '));
        var theirs = main.Flags.Split(' ').Except(place.Flags.Split(' '));
        Add(place.Pid, ShareRefusal.FlagsDiffer, $"VmFlags of {Range(place.Mapping)}: only here [{string.Join(' ', mine)}], only in the others' [{string.Join(' ', theirs)}]");
    }

    private void Add(int pid, ShareRefusal reason, string detail)
    {
        var known = _refusals.GetValueOrDefault((pid, reason));
        _refusals[(pid, reason)] = (known.Spans + 1, known.Detail ?? detail);
    }

    private static IEnumerable<(int Pid, long Cell)> Cells(Place place)
    {
        for (var cell = place.Start >> 30; cell <= (place.End - 1) >> 30; cell++)
        {
            yield return (place.Pid, cell);
        }
    }

    private static ulong Phase(in MappingFacts mapping) => (mapping.Start - (ulong)mapping.Offset) & Mask;

    private static string Range(in MappingFacts mapping) => $"0x{mapping.Start:x}-0x{mapping.End:x}";

    private sealed record Place(int Pid, MappingFacts Mapping, long OffsetAtSpan, long Start, long End, string Flags, bool FlagsKnown)
    {
        public (ShareRefusal Reason, string Detail)? Refusal { get; init; }

        /// <summary>Flags as the kernel compares them: locked or not does not matter.</summary>
        public string ComparedFlags { get; } = string.Join(' ', Flags.Split(' ').Where(f => f != "lo"));
    }

    /// <summary>All places whose tables hold the same part of the object at the same positions: those of equal flags
    /// share one table.</summary>
    private sealed class SpanGroup
    {
        public SpanGroup(List<Place> places)
        {
            Places = places;
            var groups = places.Where(p => p.Refusal is null).GroupBy(p => p.ComparedFlags).OrderByDescending(g => g.Count()).ToList();
            Predicted = groups.Count + places.Count(p => p.Refusal is not null);
            Main = groups.Count > 0 ? groups[0].First() : null;
            Sharers = [.. groups.Where(g => g.Count() > 1).SelectMany(g => g)];
        }

        public List<Place> Places { get; }

        public long Predicted { get; }

        public Place? Main { get; }

        public HashSet<Place> Sharers { get; }

        public int OwnTables(int pid) => Places.Count(p => p.Pid == pid && !Sharers.Contains(p));
    }
}
