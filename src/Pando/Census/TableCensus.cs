using System.Runtime.InteropServices;

namespace Pando.Census;

/// <summary>
/// Counts the page tables that a set of address spaces needs under a rule of sharing, from geometry alone: nothing
/// is built, so 10,000 processes cost as much as their distinct layouts.
/// </summary>
/// <remarks>
/// A table of level t may be shared by all spaces in whose span of t nothing but one linear mapping of the same
/// object lies, with the same file offset at the span's start, the same part of the object in the span, and the
/// same class. The part is cut to the span of the table itself, so a PTE table that one space reaches through a
/// shared PMD table and another space through a private one is the same table, and is counted once.
/// Granules of 4 KiB, 512 entries a table. The method is pure and may be called from many threads.
/// </remarks>
public static class TableCensus
{
    private const int GranuleShift = 12;
    private const int BitsPerLevel = 9;

    /// <summary>Counts the tables of <paramref name="spaces"/> under <paramref name="rule"/>.</summary>
    /// <param name="spaces">The address spaces.</param>
    /// <param name="rule">Which tables may be shared.</param>
    /// <param name="levels">Levels of the page-table tree: 4 or 5. The root is the table of this level.</param>
    /// <returns>Tables by level; the root is at index <paramref name="levels"/>.</returns>
    /// <exception cref="ArgumentException">Mappings of one space overlap, or are empty.</exception>
    public static TableCounts Count(IEnumerable<CensusSpace> spaces, SharingRule rule, int levels = 4)
    {
        ArgumentNullException.ThrowIfNull(spaces);
        ArgumentNullException.ThrowIfNull(rule);
        if (levels is not (4 or 5))
        {
            throw new ArgumentOutOfRangeException(nameof(levels), levels, "x86-64 and Arm64 with 4 KiB granules have 4 or 5 levels.");
        }

        var privateTables = new long[levels + 1];
        var shared = new SharedTables(levels);
        foreach (var space in spaces)
        {
            var segments = Merge(space.Mappings);
            privateTables[levels] += space.Count;
            for (var level = 1; level < levels; level++)
            {
                privateTables[level] += space.Count * CountLevel(segments, level, SharingLevel(rule, level, levels), rule, shared);
            }
        }

        return new TableCounts(privateTables, shared.Count());
    }

    /// <summary>Bytes of virtual addresses that one table of this level spans: 2 MiB, 1 GiB, 512 GiB, 256 TiB.</summary>
    public static ulong SpanOf(int level) => 1UL << ShiftOf(level);

    /// <summary>Binary logarithm of <see cref="SpanOf"/>.</summary>
    public static int ShiftOf(int level) => GranuleShift + (BitsPerLevel * level);

    /// <summary>The lowest level from <paramref name="level"/> up at which the rule shares: if the ancestor there
    /// can be shared, so is this table. 0 if there is none. (A span that only one mapping touches contains only
    /// spans that only this mapping touches, so higher levels add nothing.)</summary>
    private static int SharingLevel(SharingRule rule, int level, int levels)
    {
        for (var t = level; t < levels; t++)
        {
            if (rule.MayShare(t))
            {
                return t;
            }
        }

        return 0;
    }

    /// <summary>Adds one space's shared tables of a level to <paramref name="shared"/>, returns its private ones.</summary>
    private static long CountLevel(List<Segment> segments, int level, int sharingLevel, SharingRule rule, SharedTables shared)
    {
        var shift = ShiftOf(level);
        long privateTables = 0;
        var nextPrivate = 0UL; // spans below this index have been counted: segments that meet in a span count it once
        for (var i = 0; i < segments.Count; i++)
        {
            var segment = segments[i];
            var (from, to) = sharingLevel == 0 ? (0UL, 0UL) : ShareableRange(segments, i, sharingLevel, rule.WholeSpan);
            var file = new FileKey(segment.File, level, segment.Class, rule.RightsInClass ? segment.Rights : 0);
            foreach (var run in segment.Runs)
            {
                if (run.LeafLevel >= level)
                {
                    continue;
                }

                var first = run.Start >> shift;
                var end = ((run.End - 1) >> shift) + 1;
                var sharedFirst = Math.Clamp(from >> shift, first, end);
                var sharedEnd = Math.Clamp(to >> shift, sharedFirst, end);
                privateTables += CountNew(first, sharedFirst, ref nextPrivate) + CountNew(sharedEnd, end, ref nextPrivate);
                if (sharedFirst < sharedEnd)
                {
                    shared.Add(file, segment, sharedFirst, sharedEnd, shift);
                }
            }
        }

        return privateTables;
    }

    private static long CountNew(ulong first, ulong end, ref ulong next)
    {
        first = Math.Max(first, next);
        if (first >= end)
        {
            return 0;
        }

        next = end;
        return (long)(end - first);
    }

    /// <summary>Addresses, whole spans of <paramref name="level"/>, in which only segment <paramref name="i"/> lies.</summary>
    private static (ulong From, ulong To) ShareableRange(List<Segment> segments, int i, int level, bool wholeSpan)
    {
        var segment = segments[i];
        if (!segment.Shareable)
        {
            return (0, 0);
        }

        var mask = SpanOf(level) - 1;
        var from = segment.Start & ~mask;
        var to = ((segment.End - 1) | mask) + 1;
        if (from != segment.Start && (wholeSpan || (i > 0 && segments[i - 1].End > from)))
        {
            from += mask + 1;
        }

        if (to != segment.End && (wholeSpan || (i + 1 < segments.Count && segments[i + 1].Start < to)))
        {
            to -= mask + 1;
        }

        return from < to ? (from, to) : (0, 0);
    }

    /// <summary>Sorts mappings and joins neighbours that are one linear mapping: Linux may keep one mapping as
    /// several VMAs for reasons that no table sees.</summary>
    private static List<Segment> Merge(IReadOnlyList<CensusMapping> mappings)
    {
        var segments = new List<Segment>(mappings.Count);
        foreach (var mapping in mappings.OrderBy(m => m.Start))
        {
            if (mapping.Start >= mapping.End)
            {
                throw new ArgumentException($"The mapping at 0x{mapping.Start:x} is empty.");
            }

            if (segments.Count > 0)
            {
                var last = segments[^1];
                if (last.End > mapping.Start)
                {
                    throw new ArgumentException($"The mapping at 0x{mapping.Start:x} overlaps the one before it, which ends at 0x{last.End:x}.");
                }

                if (last.ContinuesWith(mapping))
                {
                    last.End = mapping.End;
                    last.AddRuns(mapping);
                    continue;
                }
            }

            segments.Add(new Segment(mapping));
        }

        return segments;
    }

    private sealed class Segment
    {
        public Segment(CensusMapping mapping)
        {
            (Start, End, File, Offset) = (mapping.Start, mapping.End, mapping.File, mapping.FileOffset);
            (Shareable, Class, Rights) = (mapping.Shareable, mapping.Class, mapping.Rights);
            AddRuns(mapping);
        }

        public ulong Start { get; }

        public ulong End { get; set; }

        public long File { get; }

        public long Offset { get; }

        public bool Shareable { get; }

        public int Class { get; }

        public int Rights { get; }

        public List<CensusRun> Runs { get; } = [];

        public bool ContinuesWith(CensusMapping next) =>
            Shareable && next.Shareable && End == next.Start && File == next.File && Class == next.Class &&
            Rights == next.Rights && Offset + (long)(End - Start) == next.FileOffset;

        public void AddRuns(CensusMapping mapping)
        {
            if (mapping.Populated is null)
            {
                Runs.Add(new CensusRun(mapping.Start, mapping.End, mapping.LeafLevel));
                return;
            }

            foreach (var run in mapping.Populated)
            {
                if (run.Start < mapping.Start || run.End > mapping.End || run.Start >= run.End)
                {
                    throw new ArgumentException($"The run at 0x{run.Start:x} does not lie in its mapping at 0x{mapping.Start:x}.");
                }

                Runs.Add(run);
            }
        }

        public long OffsetAt(ulong address) => Offset + (long)(address - Start);
    }

    private readonly record struct FileKey(long File, int Level, int Class, int Rights);

    private readonly record struct EdgeKey(FileKey File, long OffsetAtSpan, long WindowStart, long WindowEnd);

    /// <summary>
    /// The tables that belong to objects. A table whose whole span shows the object is known by its offset alone;
    /// these come in long runs and are kept as intervals of span numbers. One at an edge of the mapping also needs
    /// its window to tell it apart.
    /// </summary>
    private sealed class SharedTables(int levels)
    {
        private readonly Dictionary<(FileKey File, long Phase), List<(long First, long End)>> _whole = [];
        private readonly HashSet<EdgeKey> _edges = [];

        public void Add(FileKey file, Segment segment, ulong firstSpan, ulong endSpan, int shift)
        {
            if (firstSpan << shift < segment.Start)
            {
                AddEdge(file, segment, firstSpan++, shift);
            }

            if (firstSpan < endSpan && endSpan << shift > segment.End)
            {
                AddEdge(file, segment, --endSpan, shift);
            }

            if (firstSpan >= endSpan)
            {
                return;
            }

            var offset = segment.OffsetAt(firstSpan << shift);
            ref var intervals = ref CollectionsMarshal.GetValueRefOrAddDefault(_whole, (file, offset & ((1L << shift) - 1)), out _);
            intervals ??= [];
            var first = offset >> shift;
            intervals.Add((first, first + (long)(endSpan - firstSpan)));
        }

        public long[] Count()
        {
            var counts = new long[levels + 1];
            foreach (var edge in _edges)
            {
                counts[edge.File.Level]++;
            }

            foreach (var ((file, _), intervals) in _whole)
            {
                intervals.Sort();
                var next = long.MinValue;
                foreach (var (first, end) in intervals)
                {
                    var from = Math.Max(first, next);
                    if (from < end)
                    {
                        counts[file.Level] += end - from;
                        next = end;
                    }
                }
            }

            return counts;
        }

        private void AddEdge(FileKey file, Segment segment, ulong span, int shift)
        {
            var start = span << shift;
            var end = start + (1UL << shift);
            // The offset where the span starts may lie before the file: a mapping that begins inside its span.
            _edges.Add(new EdgeKey(
                file,
                segment.Offset + unchecked((long)(start - segment.Start)),
                segment.OffsetAt(Math.Max(start, segment.Start)),
                segment.OffsetAt(Math.Min(end, segment.End))));
        }
    }
}
