using Pando.Files;
using Pando.Linux.Analysis;
using Pando.Linux.Native;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Proc;

/// <summary>Explains one address of one live process: its mapping, entry, frame, and the tables above it.</summary>
public static class RangeReader
{
    // KPF_* of linux/kernel-page-flags.h.
    private static readonly (int Bit, string Name)[] FlagNames =
    [
        (0, "locked"), (2, "referenced"), (3, "uptodate"), (4, "dirty"), (5, "lru"), (6, "active"), (8, "writeback"), (11, "mmap"), (12, "anon"),
        (13, "swapcache"), (14, "swapbacked"), (15, "compound-head"), (16, "compound-tail"), (17, "huge"), (18, "unevictable"),
        (19, "hwpoison"), (21, "ksm"), (22, "thp"), (24, "zero-page"), (26, "pgtable"),
    ];

    /// <summary>Reads and explains.</summary>
    /// <exception cref="ReportException">No such process, not permitted, or nothing is mapped there.</exception>
    public static RangeReport Explain(int pid, ulong address, ScanOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var snapshot = MachineScanner.Scan(options with { Pid = pid, IsLeastSample = true });
        var process = snapshot.Processes.FirstOrDefault(p => p.Has(pid))
            ?? throw new ReportException($"No process {pid} with page tables of its own is visible: it ended, is a kernel thread, or is hidden from this user.");
        if (process.Mappings is null || process.StuckState is not null)
        {
            throw ReportException.NoMaps(process);
        }

        var index = process.Mappings.FirstEndingAbove(address);
        if (index == process.Mappings.Count || process.Mappings[index].Start > address)
        {
            throw new ReportException($"Nothing is mapped at 0x{address:x} in process {pid}. {Nearest(process.Mappings, index)}");
        }

        RangeReport? report = null;
        new PatientReader(options).ForEach([process], 1, p => p.Pid, "its pages", (p, file) => new Explanation(snapshot, p, index, address, options, file).Build(), (_, built) => report = built);
        return report ?? throw ReportException.NoMaps(process with { StuckState = "unknown" });
    }

    private static string Nearest(IReadOnlyList<MappingFacts> mappings, int index)
    {
        var before = index > 0 ? $"the mapping before it ends at 0x{mappings[index - 1].End:x}" : null;
        var after = index < mappings.Count ? $"the next begins at 0x{mappings[index].Start:x}" : null;
        return (before, after) switch
        {
            ({ } b, { } a) => $"T{b[1..]}, {a}.",
            ({ } b, null) => $"T{b[1..]}; there is none after it.",
            (null, { } a) => $"T{a[1..]}.",
            _ => "It maps nothing at all.",
        };
    }

    private sealed class Explanation(MachineSnapshot snapshot, ProcessFacts process, int index, ulong address, ScanOptions options, FileContents file)
    {
        private readonly MappingFacts _mapping = process.Mappings![index];
        private readonly ObjectFacts _object = snapshot.Objects[process.Mappings![index].ObjectNumber];

        public RangeReport Build()
        {
            // Writing smaps, too, splits a DAX device's 1 GiB leaves.
            var hasDaxDevice = process.Mappings!.Any(m => snapshot.Objects[m.ObjectNumber].Kind == ObjectKind.DaxDevice);
            var smaps = hasDaxDevice ? default : SmapsParser.Read(file, $"{options.Proc}/{process.Reader}/smaps").FirstOrDefault(e => e.Start == _mapping.Start);
            var (entry, frame) = Entry();
            var estimate = new TableEstimate(snapshot);
            var mappers = estimate.Processes.Where(p => p.Facts.Mappings?.Any(m => m.ObjectNumber == _object.Number) == true).ToList();
            var isHugetlb = _object.Kind == ObjectKind.Hugetlb && _object.HugePageSize > 0;
            return new RangeReport(
                process.Pid,
                process.Name,
                address,
                _mapping.Start,
                _mapping.End,
                _mapping.RightsText(),
                smaps.VmFlags ?? "",
                smaps.KernelPageSize,
                _object.Name,
                _object.Kind,
                _mapping.Offset + (long)(address - _mapping.Start),
                _object.Kind == ObjectKind.Anonymous ? 1 : mappers.Count,
                entry,
                frame,
                frame is { } f && _object.Kind != ObjectKind.DaxFile ? Counter("kpagecount", f) : null, // no count of persistent memory
                frame is { } g && Counter("kpageflags", g) is { } flags ? [.. FlagNames.Where(n => ((flags >> n.Bit) & 1) != 0).Select(n => n.Name)] : [],
                [.. Levels().Select(Level)],
                isHugetlb ? HugetlbSharingAnalysis.Analyse(snapshot, _object, mappers, estimate.Probes[_object.Number]) : null,
                _object.Dax is null ? null : DaxText(),
                snapshot.Notes)
            {
                OtherMappings = [.. Others().OrderByDescending(m => m.SameAt is not null).ThenBy(m => m.Start).Take(RangeReport.MostMappings)],
                OtherMappingCount = Others().Count(),
            };
        }

        /// <summary>The process's other mappings of the object: views of the same pages, and other parts.</summary>
        private IEnumerable<RangeMapping> Others()
        {
            var offset = _mapping.Offset + (long)(address - _mapping.Start);
            return _object.Kind is ObjectKind.Anonymous or ObjectKind.Special ? [] : process.Mappings!
                .Where(m => m.ObjectNumber == _object.Number && m != _mapping)
                .Select(m => new RangeMapping(m.Start, m.End, m.RightsText(), m.Offset,
                    offset >= m.Offset && offset < m.Offset + (long)m.Length ? m.Start + (ulong)(offset - m.Offset) : null));
        }

        private (string Entry, ulong? Frame) Entry()
        {
            if (_object.Kind == ObjectKind.DaxDevice)
            {
                return ("not read: reading the pagemap of a DAX device splits its 1 GiB leaves", null);
            }

            using var pageMap = PageMap.Open($"{options.Proc}/{process.Reader}/pagemap", file.Heart, out _);
            if (pageMap is null)
            {
                return ("pagemap may not be read", null);
            }

            var entry = pageMap.EntryAt(address);
            var leaf = LeafLevel() switch { 1 => "2 MiB leaf", 2 => "1 GiB leaf", _ => "4 KiB leaf" };
            var frame = entry & KernelAbi.PagemapFrameMask;
            return (entry & KernelAbi.PagemapPresent) != 0 ? ($"present, {leaf}", frame == 0 ? null : frame)
                : address >= 1UL << 63 ? ("a page of the kernel's, the same in every process", null)
                : (entry & KernelAbi.PagemapSwapped) != 0 ? ("not present: swapped out or a marker", null)
                : ("none: no access since it was mapped, or given back", null);
        }

        /// <summary>Levels that have a table for this address: none below the leaf, and none of the process's own in
        /// the kernel's half of the address space (vsyscall).</summary>
        private IEnumerable<int> Levels()
        {
            var leaf = LeafLevel() ?? (_object.HugePageSize >= TableCensus.SpanOf(2) ? 2 : _object.HugePageSize >= TableCensus.SpanOf(1) ? 1 : 0);
            return address >= 1UL << 63 ? [] : Enumerable.Range(1, TableAttribution.Levels).Where(level => level > leaf);
        }

        private long? Counter(string name, ulong frame) => FrameCounters.Read(options.Proc, name, frame);

        private RangeLevel Level(int level)
        {
            var span = TableCensus.SpanOf(level);
            var start = address & ~(span - 1);
            var end = start + span;
            var others = process.Mappings!.CountIn(start, end) - 1;
            var populated = process.Populated?.Any(r => r.Start < end && r.End > start && r.LeafLevel < level) ?? false;
            var key = Key(process.Mappings!, _mapping, start, end);
            var sharers = key is null ? 0 : snapshot.Processes.Count(p => p.Pid != process.Pid && p.Mappings is not null && Tables(p.Mappings, key.Value, span).Any());
            var here = key is null ? 0 : Tables(process.Mappings!, key.Value, span).Distinct().Count(t => t != start);
            var whyNot = !_mapping.IsShared ? "the mapping is private"
                : _object.Kind is ObjectKind.Anonymous or ObjectKind.Special ? "not a file's memory"
                : others > 0 ? $"{others} other mapping{(others == 1 ? " lies" : "s lie")} in the span"
                : sharers + here == 0 ? "nobody else shows the same part of the object in such a span" : null;
            return new RangeLevel(level switch { 1 => "PTE", 2 => "PMD", _ => "PUD" }, start, end, populated, others, whyNot is null ? sharers : 0, whyNot)
            {
                CouldShareHere = whyNot is null ? here : 0,
            };
        }

        /// <summary>Where spans of other mappings begin that the same table could serve.</summary>
        private IEnumerable<ulong> Tables(IReadOnlyList<MappingFacts> mappings, (long OffsetAtSpan, long From, long To) key, ulong span) => mappings
            .Where(m => m.ObjectNumber == _object.Number && m.IsShared)
            .Select(m => (Mapping: m, Start: m.Start + unchecked((ulong)(key.OffsetAtSpan - m.Offset))))
            .Where(t => (t.Start & (span - 1)) == 0 && Key(mappings, t.Mapping, t.Start, t.Start + span) == key)
            .Select(t => t.Start);

        /// <summary>What tells a shared table from others, or null if the span shows more than this mapping.</summary>
        private static (long OffsetAtSpan, long From, long To)? Key(IReadOnlyList<MappingFacts> mappings, MappingFacts mapping, ulong start, ulong end)
        {
            if (!mapping.IsShared || mappings.CountIn(start, end) > 1)
            {
                return null;
            }

            var from = Math.Max(start, mapping.Start);
            var to = Math.Min(end, mapping.End);
            return from >= to ? null
                : (mapping.Offset + unchecked((long)(start - mapping.Start)), mapping.Offset + (long)(from - mapping.Start), mapping.Offset + (long)(to - mapping.Start));
        }

        private string DaxText()
        {
            var reason = DaxGranularity.JudgeWindow(_mapping, _object.Dax!, address & ~(TableCensus.SpanOf(1) - 1), KernelSupport.Of(snapshot.Machine).DaxPmd);
            return (LeafLevel(), reason) switch
            {
                (null, SmallPageReason.None) => "this 2 MiB window has no entry yet; a first access could get a 2 MiB leaf",
                (null, _) => $"this 2 MiB window has no entry yet; it would get 4 KiB leaves: {reason}",
                (0, SmallPageReason.None) => $"this 2 MiB window has 4 KiB leaves: {SmallPageReason.SmallEntriesFirst}",
                (0, _) => $"this 2 MiB window has 4 KiB leaves: {reason}",
                _ => "this 2 MiB window has a 2 MiB leaf",
            };
        }

        /// <summary>The level of the leaf in the address's window, null if none was found there.</summary>
        private int? LeafLevel() => process.Populated?.Where(r => r.Mapping == index && r.Start <= address && r.End > address)
            .Select(r => (int?)r.LeafLevel).FirstOrDefault();
    }
}
