namespace Pando.Linux.Analysis;

/// <summary>
/// The stretches of one phase that may be shared: for each span, how many of each kind of flags have it. Equal flags share one table. Made by one
/// sweep, n log n; every question costs two searches.
/// </summary>
internal sealed class HugetlbPhase
{
    private readonly long[] _borders;
    private readonly int[] _main; // by segment: the flags that most have
    private readonly Dictionary<int, Kind> _kinds = [];

    public HugetlbPhase(IReadOnlyCollection<HugetlbStretch> stretches)
    {
        _borders = [.. stretches.SelectMany(s => new[] { s.First, s.End }).Distinct().Order()];
        var segments = Math.Max(0, _borders.Length - 1);
        _main = new int[segments];
        Array.Fill(_main, -1);
        var most = new int[segments];
        foreach (var group in stretches.GroupBy(s => s.Flags).OrderByDescending(g => g.Count()).ThenBy(g => g.Key))
        {
            var depth = new int[segments + 1];
            foreach (var stretch in group)
            {
                depth[Segment(stretch.First)]++;
                depth[Segment(stretch.End)]--;
            }

            for (var i = 0; i < segments; i++)
            {
                depth[i + 1] += depth[i];
                if (depth[i] > most[i])
                {
                    (_main[i], most[i]) = (group.Key, depth[i]);
                }
            }

            _kinds[group.Key] = new Kind(depth, segments);
        }

        foreach (var (flags, kind) in _kinds)
        {
            for (var i = 0; i < segments; i++)
            {
                var length = _borders[i + 1] - _borders[i];
                var (alone, apart) = (kind.Depth[i] == 1, kind.Depth[i] > 0 && _main[i] != flags);
                kind.Alone[i + 1] = kind.Alone[i] + (alone ? length : 0);
                kind.Apart[i + 1] = kind.Apart[i] + (apart ? length : 0);
                kind.Both[i + 1] = kind.Both[i] + (alone && apart ? length : 0);
                Tables += kind.Depth[i] > 0 ? length : 0;
                Spans += _main[i] == flags ? length : 0;
            }
        }
    }

    /// <summary>Tables: one for each span and kind of flags.</summary>
    public long Tables { get; }

    /// <summary>Spans that anybody has.</summary>
    public long Spans { get; }

    /// <summary>Spans of the stretch that nobody else has with the same flags.</summary>
    public long Alone(HugetlbStretch stretch) => Difference(_kinds[stretch.Flags].Alone, stretch);

    /// <summary>Spans of the stretch of which more have a table with other flags.</summary>
    public long Apart(HugetlbStretch stretch) => Difference(_kinds[stretch.Flags].Apart, stretch);

    /// <summary>Spans of the stretch of which both is true.</summary>
    public long AloneAndApart(HugetlbStretch stretch) => Difference(_kinds[stretch.Flags].Both, stretch);

    /// <summary>The flags that most have in the first span in which more have others than the stretch has.</summary>
    public int MainFlags(HugetlbStretch stretch)
    {
        var apart = _kinds[stretch.Flags].Apart;
        var (low, high) = (Segment(stretch.First), Segment(stretch.End));
        var before = apart[low];
        while (high - low > 1)
        {
            var middle = (low + high) / 2;
            (low, high) = apart[middle] > before ? (low, middle) : (middle, high);
        }

        return _main[low];
    }

    /// <summary>True if a span of these flags is shared by several.</summary>
    public bool IsShared(int flags, long span) =>
        _kinds.TryGetValue(flags, out var kind) && span >= _borders[0] && span < _borders[^1] && kind.Depth[Segment(span)] > 1;

    private long Difference(long[] sums, HugetlbStretch stretch) => sums[Segment(stretch.End)] - sums[Segment(stretch.First)];

    /// <summary>The segment that has a span; -1 below the first, and their number past the last.</summary>
    private int Segment(long span)
    {
        var i = Array.BinarySearch(_borders, span);
        return i >= 0 ? i : ~i - 1;
    }

    /// <summary>One kind of flags: how many stretches have each segment, and sums of spans before each.</summary>
    private sealed class Kind(int[] depth, int segments)
    {
        public int[] Depth { get; } = depth;

        public long[] Alone { get; } = new long[segments + 1];

        public long[] Apart { get; } = new long[segments + 1];

        public long[] Both { get; } = new long[segments + 1];
    }
}
