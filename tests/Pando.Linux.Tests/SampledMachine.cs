using Pando.Linux.Analysis;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>
/// Machines whose like processes differ in many ways that neither their maps nor VmPTE tell, and the same machines as a scan sees them that reads
/// some processes at random.
/// </summary>
internal static class SampledMachine
{
    private const ulong Window = 2UL << 20;
    private const ulong GiB = 1UL << 30;
    private const ulong Place = 0x7f00_0000_0000;
    private const ulong PrivatePlace = 0x5500_0000_0000;
    private const MappingRights Shared = MappingRights.Read | MappingRights.Write | MappingRights.Shared;
    private const MappingRights Private = MappingRights.Read | MappingRights.Write;

    private static readonly ObjectFacts[] Objects =
    [
        new(0, ObjectKind.Anonymous, "[anonymous]", "", 0),
        new(1, ObjectKind.Memfd, "/memfd:pool (deleted)", "00:01", 1),
        new(2, ObjectKind.File, "/data/index", "08:01", 2),
    ];

    /// <summary>Which windows of the two objects and of private memory process number i of n has entries in, by shape.</summary>
    public static IReadOnlyDictionary<string, Func<Random, int, int, int, Touched>> Shapes { get; } = new Dictionary<string, Func<Random, int, int, int, Touched>>
    {
        ["all alike"] = (_, i, n, size) => new(Range(0, size / 2), Range(0, size / 4), 10),
        ["a slice each"] = (_, i, n, size) => new(Range(i * size / n, Math.Max(1, size / n)), [], 10),
        ["one of ten slices"] = (r, i, n, size) => new(Range(r.Next(10) * size / 10, size / 10), [], 10),
        ["one of fifty slices"] = (r, i, n, size) => new(Range(r.Next(50) * size / 50, size / 50), [], 10),
        ["half of the windows at random"] = (r, i, n, size) => new(Some(r, size, size / 2), [], 10),
        ["a few windows at random"] = (r, i, n, size) => new(Some(r, size, size / 50), [], 10),
        ["few places that all have, and some at random"] = (r, i, n, size) => new([.. Range(0, size / 10).Concat(Some(r, size, size / 10)).Distinct()], [], 10),
        ["one object or the other"] = (r, i, n, size) => r.Next(2) == 0 ? new(Range(0, size / 4), [], 10) : new([], Range(0, size / 4), 10),
        ["shared or private"] = (r, i, n, size) => r.Next(3) is var part ? new(Range(0, size / 4 * part / 2), [], 10 + (size / 4) - (size / 4 * part / 2)) : default,
        ["one in a hundred is another"] = (r, i, n, size) => r.Next(100) == 0 ? new(Range(size / 2, size / 4), [], 10) : new(Range(0, size / 4), [], 10),
        ["two are another"] = (_, i, n, size) => i is 3 or 7 ? new([], Range(size / 2, size / 4), 10) : new(Range(0, size / 4), [], 10),
        ["as far as each has come"] = (r, i, n, size) => new(Range(0, r.Next(1, size)), [], r.Next(5, 20)),
        ["private memory of all sizes"] = (r, i, n, size) => new(Range(0, size / 4), Range(0, size / 8), r.Next(1, size)),
        ["one in each half"] = (r, i, n, size) => new([.. Range(r.Next(2) * size / 2, size / 4)], [.. Some(r, size, size / 20)], r.Next(1, 40)),
    };

    /// <summary>Windows of the objects, and how many of private memory.</summary>
    public readonly record struct Touched(IReadOnlyList<int> Pool, IReadOnlyList<int> Index, int OfPrivate);

    /// <summary>The whole machine, all processes read to the page.</summary>
    public static MachineSnapshot Make(string shape, int processes, int windows, Random random)
    {
        var make = Shapes[shape];
        return new MachineSnapshot(DateTimeOffset.UnixEpoch, 1, true,
            new MachineFacts("6.18.0", 4, 2, 24L << 30, 1L << 30, 0, false, [], new Dictionary<string, string>(), "madvise", "never", new Dictionary<string, string>()),
            Objects, [.. Enumerable.Range(0, processes).Select(i => Process(i + 1, make(random, i, processes, windows), windows, random))], [], [], []);
    }

    /// <summary>The machine after a scan: plan, look at the bound, read again where it is too wide.</summary>
    public static MachineSnapshot Scan(MachineSnapshot machine, Random random)
    {
        var plan = new SamplePlan(machine.Processes, new HashSet<int>(), random);
        var ranks = plan.First().Concat(plan.More()).ToDictionary(m => m.Pid, m => m.Rank);
        foreach (var (pid, rank) in plan.Again(new TableEstimate(Read(machine, ranks)).Bound))
        {
            ranks.Add(pid, rank);
        }

        return Read(machine, ranks);
    }

    /// <summary>The machine with these processes read, but for those of them that cannot be.</summary>
    public static MachineSnapshot Read(MachineSnapshot machine, IReadOnlyDictionary<int, int> ranks, IReadOnlySet<int>? refusing = null) => machine with
    {
        Exact = false,
        Processes = [.. machine.Processes.Select(p => p with { SampleRank = ranks.TryGetValue(p.Pid, out var rank) ? rank : null, Populated = ranks.ContainsKey(p.Pid) && refusing?.Contains(p.Pid) != true ? p.Populated : null })],
    };

    private static ProcessFacts Process(int pid, Touched touched, int windows, Random random)
    {
        // Every process has its own layout, as with address space randomization; the pool lies at whole GiBs in some.
        var move = (ulong)random.Next(1 << 16) << 12;
        MappingFacts[] mappings =
        [
            new(PrivatePlace + move, PrivatePlace + move + (8 * GiB), 0, Private, 0),
            new(Place + move, Place + move + ((ulong)windows * Window), 0, Shared, 1),
            new(Place + move + (64 * GiB), Place + move + (64 * GiB) + ((ulong)windows * Window), 0, MappingRights.Read | MappingRights.Shared, 2),
        ];
        var runs = new List<PopulatedRun>();
        Add(0, Range(0, touched.OfPrivate));
        Add(1, touched.Pool);
        Add(2, touched.Index);
        var process = new ProcessFacts(pid, "worker", 0, "/", 0, 0, 0, mappings, runs);
        return process with { TableBytes = TableAttribution.Charge(process).Cast<long>().Sum() * 4096 };

        void Add(int mapping, IEnumerable<int> pieces)
        {
            foreach (var piece in pieces.Order())
            {
                // In its middle, so that the piece of the object and the window of addresses that has it are one each.
                var at = ((mappings[mapping].Start + (Window - 1)) & ~(Window - 1)) + ((ulong)piece * Window);
                at = Math.Min(at, mappings[mapping].End - 4096);
                var start = Math.Max(at & ~(Window - 1), mappings[mapping].Start);
                var end = Math.Min((at & ~(Window - 1)) + Window, mappings[mapping].End);
                if (runs.Count > 0 && runs[^1].Mapping == mapping && runs[^1].End >= start)
                {
                    runs[^1] = runs[^1] with { End = end };
                }
                else
                {
                    runs.Add(new PopulatedRun(mapping, start, end, 0));
                }
            }
        }
    }

    private static IReadOnlyList<int> Range(int first, int count) => [.. Enumerable.Range(first, count)];

    private static int[] Some(Random random, int size, int count)
    {
        var all = Enumerable.Range(0, size).ToArray();
        random.Shuffle(all);
        return all[..count];
    }
}
