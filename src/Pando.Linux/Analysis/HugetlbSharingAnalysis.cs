using System.Globalization;
using System.Runtime.InteropServices;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Analysis;

/// <summary>
/// Holds the kernel's rules of sharing hugetlb PMD tables against what kpagecount says, for one object: how many
/// tables there are, who has a table of its own, and why.
/// </summary>
internal sealed class HugetlbSharingAnalysis
{
    private const ulong HugePage = 2UL << 20;
    private const int MostRemarks = 32;

    private readonly HugetlbStretches _stretches;
    private readonly Dictionary<long, HugetlbPhase> _phases;
    private readonly Dictionary<(int Pid, ShareRefusal Reason), (long Spans, string Detail)> _refusals = [];
    private readonly Dictionary<int, (long Own, long Apart)> _tables = [];
    private readonly List<string> _remarks = [];

    private HugetlbSharingAnalysis(MachineSnapshot snapshot, ObjectFacts facts, IReadOnlyList<ProcessTables> processes)
    {
        _stretches = new HugetlbStretches(snapshot, facts, processes);
        _phases = _stretches.All.Where(s => s.Refusal is null).GroupBy(s => s.Phase).ToDictionary(g => g.Key, g => new HugetlbPhase([.. g]));
    }

    /// <summary>Analyses one hugetlb object.</summary>
    public static HugetlbSharing Analyse(MachineSnapshot snapshot, ObjectFacts facts, IEnumerable<ProcessTables> mappers, IEnumerable<HugetlbProbe> probes)
    {
        var processes = mappers.ToList();
        return facts.HugePageSize == HugePage
            ? new HugetlbSharingAnalysis(snapshot, facts, processes).Analyse(processes, [.. probes])
            : new HugetlbSharing(false, processes.Count, 0, 0, 0, [],
                [$"{nameof(ShareRefusal.PageSize)}: only PMD tables of 2 MiB pages are shared; pages of {ByteText.Size((long)facts.HugePageSize)} are never."]);
    }

    private HugetlbSharing Analyse(List<ProcessTables> processes, List<HugetlbProbe> probes)
    {
        var measured = probes.Count > 0 && probes.All(p => p.Tables is not null);
        var tables = _stretches.All.Where(s => s.Refusal is not null).Total(s => s.Length) + _phases.Values.Total(p => p.Tables);
        Refuse();
        if (measured)
        {
            tables += Correction(probes);
        }

        var names = processes.ToDictionary(p => p.Facts.Pid, p => p.Facts.Name);
        var outsiders = _refusals
            .GroupBy(r => r.Key.Pid)
            .Select(g => new Outsider(g.Key, names[g.Key], (int)_tables.GetValueOrDefault(g.Key).Own, [.. g.Select(r => new Refusal(r.Key.Reason, (int)r.Value.Spans, r.Value.Detail))])
            {
                ApartTables = (int)_tables.GetValueOrDefault(g.Key).Apart,
            })
            .Where(o => o.OwnTables + o.ApartTables > 0)
            .OrderByDescending(o => o.OwnTables)
            .ThenByDescending(o => o.ApartTables)
            .ThenBy(o => o.Pid)
            .ToList();
        var sharing = _stretches.All.Where(s => s.Refusal is null && s.Length > _phases[s.Phase].Alone(s)).Select(s => s.Pid).Distinct().Count();
        return new HugetlbSharing(measured, processes.Count, _stretches.All.Total(s => s.Length), tables, sharing, outsiders, _remarks)
        {
            ProcessesCounted = _stretches.Counted,
            IsShared = IsShared(),
        };
    }

    /// <summary>Tells whether a process has a GiB of the object in a table that it shares; for the picture.</summary>
    private Func<int, long, bool> IsShared()
    {
        var byPid = _stretches.All.Where(s => s.Refusal is null).ToLookup(s => s.Pid);
        return (pid, cell) => byPid[pid].Any(s =>
        {
            // At a phase of its own a GiB of the object lies in two spans.
            var (first, last) = (HugetlbStretch.NumberOf(cell << 30, s.Phase), HugetlbStretch.NumberOf(((cell + 1) << 30) - 1, s.Phase));
            for (var span = Math.Max(first, s.First); span <= last && span < s.End; span++)
            {
                if (_phases[s.Phase].IsShared(s.Flags, span))
                {
                    return true;
                }
            }

            return false;
        });
    }

    /// <summary>Names, for every table that is not the one which most use, the reason.</summary>
    private void Refuse()
    {
        var processes = _stretches.All.Select(s => s.Pid).Distinct().Count();
        var main = _stretches.All.GroupBy(s => s.Phase)
            .OrderByDescending(g => g.Select(s => s.Pid).Distinct().Count()).ThenByDescending(g => g.Total(s => s.Length)).ThenBy(g => g.Key).FirstOrDefault();
        var ofMain = RankedIntervals.Of(main is null ? [] : main.Select(s => (s.First, s.End)));
        foreach (var stretch in _stretches.All)
        {
            if (stretch.Refusal is { } own)
            {
                Add(stretch.Pid, own.Reason, stretch.Length, own.Detail);
                AddTables(stretch.Pid, stretch.Length, 0);
                continue;
            }

            var phase = _phases[stretch.Phase];
            var (alone, apart) = (phase.Alone(stretch), phase.Apart(stretch));
            if (processes == 1)
            {
                // Views of one process that share are as good as processes.
                AddTables(stretch.Pid, alone, apart - phase.AloneAndApart(stretch));
                Add(stretch.Pid, ShareRefusal.NobodyElse, alone, "no other process has this part of the object in its tables");
            }
            else if (stretch.Phase != main!.Key && IsInPhase(ofMain, main.Key, stretch))
            {
                AddTables(stretch.Pid, alone, stretch.Length - alone);
                var other = main.First().Mapping;
                Add(stretch.Pid, ShareRefusal.AddressNotCongruent, stretch.Length, string.Create(CultureInfo.InvariantCulture,
                    $"{HugetlbStretches.Range(stretch.Mapping)} puts offset 0 at {PhaseOf(stretch)} MiB past a GiB border, the others' {HugetlbStretches.Range(other)} at {PhaseOf(main.First())} MiB"));
                continue;
            }
            else
            {
                AddTables(stretch.Pid, alone, apart - phase.AloneAndApart(stretch));
                Add(stretch.Pid, ShareRefusal.NobodyElse, alone - phase.AloneAndApart(stretch), "no other process has this GiB in its tables under a mapping that may share");
            }

            if (apart > 0)
            {
                var (reason, detail) = _stretches.Difference(stretch, phase.MainFlags(stretch));
                Add(stretch.Pid, reason, apart, detail);
            }
        }
    }

    /// <summary>True if others have some of the stretch's offsets at another phase.</summary>
    private static bool IsInPhase(RankedIntervals spans, long phase, HugetlbStretch stretch)
    {
        var from = (stretch.First << 30) + stretch.Phase;
        var to = (stretch.End << 30) + stretch.Phase;
        return spans.CountIn(HugetlbStretch.NumberOf(from, phase), HugetlbStretch.NumberOf(to - 1, phase) + 1) > 0;
    }

    /// <summary>How many MiB past a GiB border a mapping puts the object's start.</summary>
    private static ulong PhaseOf(HugetlbStretch stretch) => ((stretch.Mapping.Start - (ulong)stretch.Mapping.Offset) & ((1UL << 30) - 1)) >> 20;

    /// <summary>What kpagecount adds to or takes from the number of tables that the rules predict.</summary>
    private long Correction(List<HugetlbProbe> probes)
    {
        long correction = 0;
        var corrected = new HashSet<(long Phase, long Span)>();
        foreach (var (probe, at) in _stretches.At(probes))
        {
            if (at.Count == 0)
            {
                continue;
            }

            var groups = at.Where(s => s.Refusal is null).GroupBy(s => s.Phase).ToList();
            long predicted = at.Count(s => s.Refusal is not null) + groups.Sum(g => g.Select(s => s.Flags).Distinct().Count());
            var main = groups.Count > 0 ? groups.MaxBy(g => g.Count())!.ToList() : at;
            var difference = probe.Tables!.Value - predicted;
            if (difference == 0 || !corrected.Add((main[0].Phase, HugetlbStretch.NumberOf(probe.Offset, main[0].Phase))))
            {
                continue;
            }

            correction += difference * probe.StandsFor;
            if (_remarks.Count < MostRemarks)
            {
                var offset = string.Create(CultureInfo.InvariantCulture, $"the page at offset {probe.Offset >> 20} MiB is in {probe.Tables} tables for {probe.Present.Count} processes, the rules give {predicted}");
                _remarks.Add(difference < 0
                    ? $"{offset}: some would be refused for a new fault, and still share a table from before (flags changed after the first touch)."
                    : $"{offset}: {difference} more tables than need be.");
            }

            if (difference > 0)
            {
                foreach (var stretch in main.Where(s => s.Refusal is null && _phases[s.Phase].IsShared(s.Flags, HugetlbStretch.NumberOf(probe.Offset, s.Phase))).Take((int)difference))
                {
                    Add(stretch.Pid, ShareRefusal.NotSharedYet, 1, "one of the processes that could share has its own table; kpagecount does not say which");
                }
            }
        }

        return correction;
    }

    private void Add(int pid, ShareRefusal reason, long spans, string detail)
    {
        if (spans > 0)
        {
            ref var known = ref CollectionsMarshal.GetValueRefOrAddDefault(_refusals, (pid, reason), out _);
            known = (known.Spans + spans, known.Detail ?? detail);
        }
    }

    private void AddTables(int pid, long own, long apart)
    {
        ref var known = ref CollectionsMarshal.GetValueRefOrAddDefault(_tables, pid, out _);
        known = (known.Own + own, known.Apart + apart);
    }
}
