using System.Runtime.InteropServices;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>All stretches of one hugetlb object, and the flags by which the kernel compares them.</summary>
internal sealed class HugetlbStretches
{
    private const int Shift = 30;
    private const ulong Mask = (1UL << Shift) - 1;
    private const MappingRights Access = MappingRights.Read | MappingRights.Write | MappingRights.Execute;

    private readonly ObjectFacts _object;
    private readonly List<HugetlbStretch> _all = [];
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);
    private readonly List<(string Flags, MappingFacts Mapping)> _flags = []; // by number, with the first mapping that has them
    private readonly Dictionary<MappingRights, string> _flagsOfRights = []; // what most have, for those whose flags were not read
    private readonly (ShareRefusal, string)? _kernelRefusal;

    public HugetlbStretches(MachineSnapshot snapshot, ObjectFacts facts, IReadOnlyList<ProcessTables> processes)
    {
        _object = facts;
        var config = snapshot.Machine.Config;
        var option = config.GetValueOrDefault("CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING") ?? config.GetValueOrDefault("CONFIG_ARCH_WANT_HUGE_PMD_SHARE");
        _kernelRefusal = option == "n" || (option is null && config.Count > 0)
            ? (ShareRefusal.KernelWithoutSharing, $"{snapshot.Machine.KernelRelease} is built without CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING")
            : null;
        FindFlags(processes);
        foreach (var process in processes)
        {
            Counted += process.HasSpans ? 1 : 0;
            Add(process);
        }
    }

    /// <summary>The stretches, by process in order of address.</summary>
    public IReadOnlyList<HugetlbStretch> All => _all;

    /// <summary>Processes whose own tables were looked at; the rest are as the like processes that stand for them.</summary>
    public int Counted { get; }

    /// <summary>"0xSTART-0xEND".</summary>
    public static string Range(in MappingFacts mapping) => $"0x{mapping.Start:x}-0x{mapping.End:x}";

    /// <summary>For each look at a page the stretches that have it, of processes in which it is present. One sweep over the object's offsets.</summary>
    public IEnumerable<(HugetlbProbe Probe, List<HugetlbStretch> At)> At(IEnumerable<HugetlbProbe> probes)
    {
        var byStart = Enumerable.Range(0, _all.Count).OrderBy(i => _all[i].FirstOffset).ToList();
        var here = new Dictionary<int, List<int>>(); // of each process the stretches that have begun, and may have ended
        var next = 0;
        foreach (var probe in probes.OrderBy(p => p.Offset))
        {
            for (; next < byStart.Count && _all[byStart[next]].FirstOffset <= probe.Offset; next++)
            {
                (CollectionsMarshal.GetValueRefOrAddDefault(here, _all[byStart[next]].Pid, out _) ??= []).Add(byStart[next]);
            }

            var at = new List<int>();
            foreach (var pid in probe.Present.Distinct())
            {
                if (here.TryGetValue(pid, out var some))
                {
                    some.RemoveAll(i => _all[i].EndOffset <= probe.Offset);
                    at.AddRange(some);
                }
            }

            yield return (probe, [.. at.Order().Select(i => _all[i])]);
        }
    }

    /// <summary>Why a stretch does not share with those that have other flags.</summary>
    public (ShareRefusal Reason, string Detail) Difference(HugetlbStretch stretch, int others)
    {
        var (mapping, other) = (stretch.Mapping, _flags[others].Mapping);
        if ((mapping.Rights & Access) != (other.Rights & Access))
        {
            return (ShareRefusal.RightsDiffer, $"{Range(mapping)} is {mapping.RightsText()}, the others' is {other.RightsText()}");
        }

        var mine = _flags[stretch.Flags].Flags.Split(' ').Except(_flags[others].Flags.Split(' ')).ToList();
        var theirs = _flags[others].Flags.Split(' ').Except(_flags[stretch.Flags].Flags.Split(' ')).ToList();
        var why = mine.Concat(theirs).Contains("mw") ? "; mw: it may become writable, unless the file was opened for reading alone or is sealed against writing" : "";
        return (ShareRefusal.FlagsDiffer, $"VmFlags of {Range(mapping)}: only here [{string.Join(' ', mine)}], only in the others' [{string.Join(' ', theirs)}]{why}");
    }

    /// <summary>Finds the flags that most have for each kind of rights: those take their place where smaps was not read.</summary>
    private void FindFlags(IReadOnlyList<ProcessTables> processes)
    {
        var counts = new Dictionary<(MappingRights, string), int>();
        foreach (var process in processes)
        {
            if (process.Facts.VmFlags is not { } known)
            {
                continue;
            }

            foreach (var index in process.ByObject.Of(_object.Number))
            {
                if (known.TryGetValue(index, out var flags))
                {
                    var key = (process.Facts.Mappings![index].Rights, Compared(flags));
                    counts[key] = counts.GetValueOrDefault(key) + 1;
                }
            }
        }

        foreach (var group in counts.GroupBy(c => c.Key.Item1))
        {
            _flagsOfRights[group.Key] = group.OrderByDescending(c => c.Value).ThenBy(c => c.Key.Item2, StringComparer.Ordinal).First().Key.Item2;
        }
    }

    private void Add(ProcessTables process)
    {
        ulong? lastSpan = null; // several mappings of the object in one span hang below one table
        foreach (var i in process.ByObject.Of(_object.Number))
        {
            var mapping = process.Facts.Mappings![i];
            var flags = process.Facts.VmFlags?.GetValueOrDefault(i);
            foreach (var (start, end) in process.HugeSpans(i))
            {
                var (first, last) = (start >> Shift, (end - 1) >> Shift);
                if (first == lastSpan)
                {
                    first++;
                    _all[^1] = _all[^1] with { From = Math.Min(_all[^1].From, mapping.Offset), To = Math.Max(_all[^1].To, mapping.Offset + (long)mapping.Length) };
                }

                if (first <= last)
                {
                    Add(process.Facts.Pid, mapping, flags, first, last);
                    lastSpan = last;
                }
            }
        }
    }

    /// <summary>Adds the spans [first, last], those that the mapping does not cover whole apart.</summary>
    private void Add(int pid, in MappingFacts mapping, string? flags, ulong first, ulong last)
    {
        var own = OwnReason(mapping, flags);
        var whole = (mapping.Start + Mask) >> Shift; // the first span that is covered whole, and the first past those
        var wholeEnd = mapping.End >> Shift;
        if (own is not null)
        {
            Add(pid, mapping, flags, first, last + 1, own);
            return;
        }

        for (var span = first; span <= last;)
        {
            var isWhole = span >= whole && span < wholeEnd;
            var end = isWhole ? Math.Min(last + 1, wholeEnd) : span + 1;
            Add(pid, mapping, flags, span, end, isWhole ? null : NotCovered(mapping, span));
            span = end;
        }
    }

    private void Add(int pid, in MappingFacts mapping, string? flags, ulong first, ulong end, (ShareRefusal, string)? refusal)
    {
        var offset = mapping.Offset + unchecked((long)((first << Shift) - mapping.Start));
        var number = offset >> Shift;
        _all.Add(new HugetlbStretch(pid, mapping, mapping.Offset, mapping.Offset + (long)mapping.Length, offset & (long)Mask, number, number + (long)(end - first), NumberOf(flags, mapping), refusal));
    }

    /// <summary>The reason that lies in this mapping alone, whatever the others do; null if there is none.</summary>
    private (ShareRefusal Reason, string Detail)? OwnReason(in MappingFacts mapping, string? flags)
    {
        if (_kernelRefusal is not null)
        {
            return _kernelRefusal;
        }

        if (!mapping.IsShared)
        {
            return (ShareRefusal.PrivateMapping, $"{Range(mapping)} is mapped {mapping.RightsText()}: MAP_PRIVATE");
        }

        var words = flags?.Split(' ') ?? [];
        return words.Contains("uw") || words.Contains("ui")
            ? (ShareRefusal.Userfaultfd, $"{Range(mapping)} has userfaultfd {(words.Contains("uw") ? "write-protect" : "minor")} mode")
            : null;
    }

    private static (ShareRefusal Reason, string Detail) NotCovered(in MappingFacts mapping, ulong span)
    {
        var start = span << Shift;
        var covered = (Math.Min(mapping.End, start + Mask + 1) - Math.Max(mapping.Start, start)) >> 20;
        return (ShareRefusal.SpanNotCovered, $"{Range(mapping)} covers {covered} of the 1024 MiB at 0x{start:x}");
    }

    private int NumberOf(string? flags, in MappingFacts mapping)
    {
        var text = flags is not null ? Compared(flags) : _flagsOfRights.GetValueOrDefault(mapping.Rights) ?? mapping.RightsText();
        if (!_numbers.TryGetValue(text, out var number))
        {
            _numbers[text] = number = _flags.Count;
            _flags.Add((text, mapping));
        }

        return number;
    }

    /// <summary>Flags as the kernel compares them: locked or not does not matter (VM_LOCKED_MASK).</summary>
    private static string Compared(string flags) => string.Join(' ', flags.Split(' ').Where(f => f is not ("lo" or "lf")));
}
