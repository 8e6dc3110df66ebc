using System.Runtime.InteropServices;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>
/// What would help one object: the census of tables on its real geometry, as it is and as each cure would make it.
/// A saving is the difference of two censuses, so that tables which the object shares with its neighbours, before
/// and after, cancel out.
/// </summary>
internal sealed class CureAnalysis
{
    private const ulong HugePage = 2UL << 20;
    private const ulong GiantPage = 1UL << 30;

    private readonly MachineSnapshot _snapshot;
    private readonly ObjectFacts _object;
    private readonly List<Shape> _shapes;
    private readonly long _processes;
    private readonly long _liveBytes;
    private readonly int? _at;
    private readonly TableCounts _now;
    private readonly ObjectExtent _extent;

    private CureAnalysis(MachineSnapshot snapshot, ObjectFacts facts, List<Shape> shapes, long liveBytes, int? at, ObjectExtent extent)
    {
        (_snapshot, _object, _shapes, _liveBytes, _at, _extent) = (snapshot, facts, shapes, liveBytes, at, extent);
        _processes = shapes.Total(s => s.Count);
        _now = Count(SharingNow(), Same, keepNeighbours: true);
    }

    /// <summary>Computes all cures of an object.</summary>
    public static IReadOnlyList<Cure> Compute(MachineSnapshot snapshot, ObjectFacts facts, IEnumerable<ProcessTables> mappers, long liveBytes, int? at, ObjectExtent extent, Func<bool>? hasTime)
    {
        var shapes = Shapes(facts, mappers);
        return shapes.Count == 0 ? [] : [.. new CureAnalysis(snapshot, facts, shapes, liveBytes, at, extent).Compute().TakeWhile(_ => hasTime?.Invoke() ?? true).Select(make => make())];
    }

    /// <summary>Each takes a census, and so its time.</summary>
    private Func<Cure>[] Compute()
    {
        var support = KernelSupport.Of(_snapshot.Machine);
        var isShared = _shapes.Any(s => s.Mappings.Any(m => m.Mapping.IsShared));
        var noRemap = _object.Kind switch
        {
            ObjectKind.SharedMemory or ObjectKind.SystemV or ObjectKind.Memfd or ObjectKind.SharedAnonymous => null,
            ObjectKind.Hugetlb => "it is hugetlb already",
            ObjectKind.File => "an ordinary file lives in the page cache, not in huge pages",
            ObjectKind.DaxFile or ObjectKind.DaxDevice => "persistent memory is mapped directly",
            _ => "private memory has nothing to share",
        };
        var noGiant = noRemap is null || _object.Kind == ObjectKind.Hugetlb ? null : noRemap;
        var noThp = noRemap is null ? null : _object.Kind == ObjectKind.File ? "not a tmpfs or shared-memory object" : noRemap;
        var noDax = _object.Kind == ObjectKind.DaxFile ? null : "not a DAX file";
        var noSharing = isShared ? null : "its mappings are private";
        return
        [
            () => Make("hugetlb-2m", "hugetlb 2 MiB", support.Hugetlb, noRemap, SharingRule.None, m => Round(m, HugePage, 1),
                "The pages are taken out of the machine's free memory for good, and are never swapped.", _extent.HugePages * (long)HugePage),
            () => Make("hugetlb-2m-shared", "hugetlb 2 MiB, PMD tables shared", support.HugetlbSharing, noRemap, SharingRule.LinuxPmd, m => Round(m, HugePage, 1),
                "As above; only whole aligned GiBs with equal flags are shared, mprotect or munmap of a part ends it for that GiB.", _extent.HugePages * (long)HugePage),
            () => Make("hugetlb-1g", "hugetlb 1 GiB", support.Hugetlb, noGiant, SharingRule.None, m => Round(m, GiantPage, 2),
                "The size is rounded up to whole GiBs; pages must be reserved at boot on most machines.", _extent.GiantPages * (long)GiantPage),
            () => Make("shmem-thp", "transparent huge pages for shmem", support.Thp, noThp, SharingRule.None, Aligned,
                "Memory is taken in 2 MiB pieces where free memory allows; where it does not, 4 KiB pages stay.", _extent.TouchedBytes),
            () => Make("dax-2m", "DAX with 2 MiB leaves throughout", support.DaxPmd, noDax, SharingRule.None, Aligned,
                "The file must lie in whole pieces of 2 MiB, and be mapped at an address congruent to it."),
            () => Make("dax-pmd-shared", "DAX, PMD tables shared (proposed in 2019)", false, noDax ?? noSharing, SharingRule.LinuxPmd, Aligned,
                "No kernel has it."),
            () => Make("pte-shared", "sharing PTE tables (mshare)", false, noSharing, SharingRule.PteTables, Same,
                "Not merged in Linux; the program must ask for it, and mprotect by one process holds for all."),
            () => Make("pando-512g", "Pando's rule, up to 512 GiB", false, noSharing, SharingRule.Pando(3), Same,
                "No kernel has it: the rule of this project's library. Rights stay with each process."),
        ];
    }

    private Cure Make(string id, string name, bool available, string? whyNot, SharingRule rule, Func<MappedPart, MappedPart> remap, string cost, long? memory = null)
    {
        if (whyNot is not null)
        {
            return new Cure(id, name, available, whyNot, null, null, null, null, cost);
        }

        // Cures that remake the mapping place it anew: neighbours of today say nothing about that place. What lies at both ends
        // moves together where it was, as the kernel lays mappings out: of two tables that show it too, one stays.
        var isSame = ReferenceEquals(remap.Method, ((Func<MappedPart, MappedPart>)Same).Method);
        var after = Count(rule, remap, keepNeighbours: isSame);
        var kept = isSame ? 0 : _shapes.Total(s => s.SharedWindows * s.Count) / 2 * TableCounts.TableBytes;
        var saved = Math.Clamp(_now.BytesBelowRoot - after.BytesBelowRoot - kept, 0, _liveBytes);
        return new Cure(id, name, available, null, _liveBytes - saved, saved, AtBytes(_now), AtBytes(after), cost) { MemoryBytes = memory };
    }

    /// <summary>Bytes at the number of processes asked for: private tables grow with them, shared ones do not.</summary>
    private long? AtBytes(TableCounts counts) => _at is not { } at ? null
        : (long)((((double)counts.PrivateBelowRoot * at / _processes) + counts.SharedBelowRoot) * TableCounts.TableBytes);

    private SharingRule SharingNow() =>
        _object.Kind == ObjectKind.Hugetlb && _object.HugePageSize == HugePage && KernelSupport.Of(_snapshot.Machine).HugetlbSharing
            ? SharingRule.LinuxPmd
            : SharingRule.None;

    private TableCounts Count(SharingRule rule, Func<MappedPart, MappedPart> remap, bool keepNeighbours) =>
        TableCensus.Count(_shapes.Select(s => ToSpace(s, remap, keepNeighbours)), rule, _snapshot.Machine.Levels);

    private static CensusSpace ToSpace(Shape shape, Func<MappedPart, MappedPart> remap, bool keepNeighbours)
    {
        var mappings = new List<CensusMapping>();
        var end = 0UL;
        foreach (var part in shape.Mappings)
        {
            var (mapping, runs) = remap(part);
            // Parts that were neighbours may overlap when rounded out: they are one mapping then.
            var start = Math.Max(mapping.Start, end);
            if (start >= mapping.End)
            {
                continue;
            }

            end = mapping.End;
            mappings.Add(new CensusMapping(start, mapping.End, 1, mapping.Offset + (long)(start - mapping.Start), mapping.IsShared,
                Rights: (int)(mapping.Rights & ~MappingRights.Shared),
                Populated: [.. runs.Where(r => r.End > start).Select(r => r with { Start = Math.Max(r.Start, start) })]));
        }

        if (keepNeighbours)
        {
            mappings.AddRange(shape.Neighbours.Select(n => new CensusMapping(n.Start, n.End, 0, 0, Shareable: false, Populated: [])));
        }

        return new CensusSpace(mappings, shape.Count);
    }

    private static MappedPart Same(MappedPart part) => part;

    /// <summary>The mapping made of pages of <paramref name="size"/>: rounded out to whole pages, in place.</summary>
    private static MappedPart Round(MappedPart part, ulong size, int leaf)
    {
        var start = part.Mapping.Start & ~(size - 1);
        var end = (part.Mapping.End + size - 1) & ~(size - 1);
        var moved = part.Mapping with { Start = start, End = end, Offset = part.Mapping.Offset - (long)(part.Mapping.Start - start) };
        return new MappedPart(moved, Merge(part.Runs.Select(r => new CensusRun(r.Start & ~(size - 1), (r.End + size - 1) & ~(size - 1), leaf))));
    }

    /// <summary>The mapping placed so that address and offset agree modulo 2 MiB, as the kernel places shmem where
    /// transparent huge pages are on, and DAX files: whole windows get a 2 MiB leaf, the ends keep 4 KiB.</summary>
    private static MappedPart Aligned(MappedPart part)
    {
        var shift = (part.Mapping.Start - (ulong)part.Mapping.Offset) & (HugePage - 1);
        var start = part.Mapping.Start - shift;
        var moved = part.Mapping with { Start = start, End = start + part.Mapping.Length };
        var from = (start + HugePage - 1) & ~(HugePage - 1);
        var to = moved.End & ~(HugePage - 1);
        var runs = new List<CensusRun>();
        foreach (var run in part.Runs)
        {
            var (low, high) = (run.Start - shift, run.End - shift);
            var first = Math.Clamp(low & ~(HugePage - 1), from, Math.Max(from, to));
            var last = Math.Clamp((high + HugePage - 1) & ~(HugePage - 1), first, Math.Max(first, to));
            if (low < first)
            {
                runs.Add(new CensusRun(low, Math.Min(first, high), run.LeafLevel));
            }

            if (first < last)
            {
                runs.Add(new CensusRun(first, last, Math.Max(1, run.LeafLevel)));
            }

            if (high > last && last >= low)
            {
                runs.Add(new CensusRun(Math.Max(last, low), high, run.LeafLevel));
            }
        }

        return new MappedPart(moved, Merge(runs));
    }

    private static List<CensusRun> Merge(IEnumerable<CensusRun> runs)
    {
        var merged = new List<CensusRun>();
        foreach (var run in runs)
        {
            if (merged.Count > 0 && merged[^1].End >= run.Start && merged[^1].LeafLevel == run.LeafLevel)
            {
                merged[^1] = merged[^1] with { End = Math.Max(merged[^1].End, run.End) };
            }
            else if (merged.Count > 0 && merged[^1].End > run.Start)
            {
                if (run.End > merged[^1].End)
                {
                    merged.Add(run with { Start = merged[^1].End });
                }
            }
            else
            {
                merged.Add(run);
            }
        }

        return merged;
    }

    /// <summary>All that a census of a layout hangs on.</summary>
    private static Layout KeyOf(List<MappedPart> parts, List<MappingFacts> neighbours, long sharedWindows)
    {
        var numbers = new List<ulong>((4 * (parts.Count + neighbours.Count)) + 2) { (ulong)parts.Count, (ulong)sharedWindows };
        foreach (var (mapping, runs) in parts)
        {
            numbers.AddRange([mapping.Start, mapping.End, (ulong)mapping.Offset, (ulong)mapping.Rights, (ulong)runs.Count]);
            foreach (var run in runs)
            {
                numbers.AddRange([run.Start, run.End, (ulong)run.LeafLevel]);
            }
        }

        foreach (var neighbour in neighbours)
        {
            numbers.AddRange([neighbour.Start, neighbour.End]);
        }

        return new Layout([.. numbers]);
    }

    /// <summary>Layouts of the object in its processes, like ones counted once.</summary>
    private static List<Shape> Shapes(ObjectFacts facts, IEnumerable<ProcessTables> mappers)
    {
        var shapes = new Dictionary<Layout, Shape>();
        foreach (var process in mappers)
        {
            if (process.Source is null)
            {
                continue;
            }

            var mappings = process.Facts.Mappings!;
            var own = process.ByObject.Of(facts.Number);
            var neighbours = new SortedSet<int>();
            foreach (var i in own)
            {
                neighbours.Add(i - 1);
                neighbours.Add(i + 1);
            }

            neighbours.RemoveWhere(n => n < 0 || n >= mappings.Count || mappings[n].ObjectNumber == facts.Number);
            var parts = own.Select(i => new MappedPart(mappings[i], Runs(process, i))).ToList();
            var shared = process.Pages!.SharedWindows(facts.Number);
            var beside = neighbours.Select(n => mappings[n]).ToList();
            var key = KeyOf(parts, beside, shared);
            if (shapes.TryGetValue(key, out var shape))
            {
                shape.Count++;
                continue;
            }

            shapes[key] = new Shape { Mappings = parts, Neighbours = beside, SharedWindows = shared, Count = 1 };
        }

        return [.. shapes.Values];
    }

    /// <summary>The populated runs of a mapping: its own, or those of the like process moved to its place.</summary>
    internal static List<CensusRun> Runs(ProcessTables process, int index) => [.. process.Runs(index).Select(r => new CensusRun(r.Start, r.End, r.LeafLevel))];

    /// <summary>Numbers that are compared one by one: hashes alone could make one layout of two.</summary>
    private sealed class Layout : IEquatable<Layout>
    {
        private readonly ulong[] _numbers;
        private readonly int _hash;

        public Layout(ulong[] numbers)
        {
            var hash = new HashCode();
            hash.AddBytes(MemoryMarshal.AsBytes(numbers.AsSpan()));
            (_numbers, _hash) = (numbers, hash.ToHashCode());
        }

        public bool Equals(Layout? other) => other is not null && _numbers.AsSpan().SequenceEqual(other._numbers);

        public override bool Equals(object? obj) => Equals(obj as Layout);

        public override int GetHashCode() => _hash;
    }

    private sealed record MappedPart(MappingFacts Mapping, IReadOnlyList<CensusRun> Runs);

    private sealed class Shape
    {
        public required List<MappedPart> Mappings { get; init; }

        public required List<MappingFacts> Neighbours { get; init; }

        /// <summary>PTE tables of one process that show the object and other memory too.</summary>
        public required long SharedWindows { get; init; }

        public long Count { get; set; }
    }
}
