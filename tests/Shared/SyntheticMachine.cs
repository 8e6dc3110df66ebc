using Pando.Linux.Snapshot;

namespace Pando.Tests.Shared;

/// <summary>
/// Snapshots of machines that have very many of one kind of thing. Each shape grows in that kind alone, so that the cost of an
/// analysis can be held against it.
/// </summary>
internal static class SyntheticMachine
{
    private const long Table = 4096;
    private const ulong Page = 4096;
    private const ulong MiB = 1UL << 20;
    private const ulong GiB = 1UL << 30;
    private const ulong Base = 0x7000_0000_0000;
    private const MappingRights Shared = MappingRights.Read | MappingRights.Write | MappingRights.Shared;
    private const MappingRights Private = MappingRights.Read | MappingRights.Write;

    private static readonly ObjectFacts Anonymous = new(0, ObjectKind.Anonymous, "[anonymous]", "", 0);

    /// <summary>A machine of each shape, by a name, with so many things.</summary>
    public static IReadOnlyDictionary<string, Func<int, MachineSnapshot>> Shapes { get; } = new Dictionary<string, Func<int, MachineSnapshot>>
    {
        ["maps: one file in pieces, 1 process"] = n => Pieces(n, 1, read: 1),
        ["maps: one file in pieces, 8 processes, 2 read"] = n => Pieces(n / 8, 8, read: 2),
        ["maps: a file each, 8 like processes of which 4 are read"] = n => Halved(n / 8),
        ["maps: guard pages, 2 processes"] = n => Guards(n / 2),
        ["maps: a file each, 1 process"] = n => Files(n, 1, isWindow: false),
        ["maps: a huge file in pieces of 2 MiB, 4 processes"] = n => HugeMaps(n / 4, 4),
        ["files: 100 in each process"] = n => Files(100, n / 100, isWindow: true),
        ["files: of one name"] = n => Named(n),
        ["files: tmpfs that 2 processes map"] = n => Tmpfs(n),
        ["hugetlb files, one in each process"] = n => HugeFiles(n),
        ["hugetlb: one file, n processes at other places"] = n => HugeProcesses(n),
        ["hugetlb: one file, n GiBs, 4 processes"] = n => HugeGiBs(n / 4),
        ["DAX: extents of one file"] = n => Extents(n),
        ["runs: n windows far apart, 2 processes"] = n => Runs(n / 2),
        ["processes: alike, one object"] = n => Processes(n, classes: 1, read: 20),
        ["processes: all read"] = n => Processes(n, classes: 1, read: n),
        ["processes: each of another class"] = n => Processes(n, classes: n, read: n),
        ["processes: alike, none read"] = n => Processes(n, classes: 1, read: 0),
        ["processes: Java machines"] = n => Services(n, "java"),
        ["processes: PostgreSQL servers"] = n => Services(n, "postgres"),
        ["processes: virtual machines"] = n => Services(n, "qemu-system-x86"),
        ["cgroups: side by side"] = n => Cgroups(n, i => $"/system.slice/unit{i}.service"),
        ["cgroups: pods"] = n => Cgroups(n, i => $"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{i:x8}_0000_0000_0000_{i:x12}.slice/cri-containerd-{i:x64}.scope"),
        ["cgroups: 20 deep"] = n => Cgroups(n / 20, i => string.Concat(Enumerable.Range(0, 20).Select(k => $"/d{i}_{k}"))),
    };

    private static MachineSnapshot Machine(IReadOnlyList<ObjectFacts> objects, IReadOnlyList<ProcessFacts> processes, IReadOnlyList<CgroupFacts>? cgroups = null, IReadOnlyList<HugetlbProbe>? probes = null)
    {
        var config = new Dictionary<string, string> { ["CONFIG_HUGETLB_PAGE"] = "y", ["CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING"] = "y", ["CONFIG_FS_DAX_PMD"] = "y", ["CONFIG_TRANSPARENT_HUGEPAGE"] = "y" };
        return new MachineSnapshot(DateTimeOffset.UnixEpoch, 1, false,
            new MachineFacts("6.18.0", 4, 2, 1L << 44, processes.Sum(p => p.TableBytes), 0, false, [new Pando.Linux.Snapshot.HugePagePool(2 * MiB, 1 << 20, 1 << 20, 0, 0)], config, "madvise", "never", new Dictionary<string, string>(),
                DefaultHugePageSize: 2 * MiB, AvailableBytes: 1L << 43),
            objects, processes, cgroups ?? [new CgroupFacts("/", null)], probes ?? [], []);
    }

    private static ProcessFacts Process(int pid, IReadOnlyList<MappingFacts> mappings, bool isRead, string name = "server", string cgroup = "/", long more = 0, int leaf = 0) =>
        new(pid, name, 0, cgroup, (mappings.Sum(m => (long)(((m.End - 1) >> 21) - (m.Start >> 21)) + 1) + 8 + more) * Table, 0, 1 << 20, mappings,
            isRead ? [.. mappings.Select((m, i) => new PopulatedRun(i, m.Start, m.End, leaf))] : null, AnonymousBytes: 1 << 20);

    private static ObjectFacts File(int number, ObjectKind kind, string name, ulong size = 0) => new(number, kind, name, "00:1b", (ulong)number, size);

    private static MachineSnapshot Pieces(int n, int processes, int read)
    {
        var mappings = Enumerable.Range(0, n).Select(i => new MappingFacts(Base + ((ulong)i * Page), Base + ((ulong)(i + 1) * Page), i * 2L * (long)Page, Shared, 1)).ToArray();
        return Machine([Anonymous, File(1, ObjectKind.Memfd, "/memfd:index (deleted)")], [.. Enumerable.Range(1, processes).Select(p => Process(p, mappings, p <= read))]);
    }

    private static MachineSnapshot Guards(int n)
    {
        var mappings = Enumerable.Range(0, n).Select(i => new MappingFacts(Base + ((ulong)i * Page), Base + ((ulong)(i + 1) * Page), 0, (i & 1) == 0 ? Private : MappingRights.None, 0)).ToArray();
        return Machine([Anonymous], [.. Enumerable.Range(1, 2).Select(p => Process(p, mappings, isRead: true))]);
    }

    private static MachineSnapshot Files(int perProcess, int processes, bool isWindow)
    {
        var length = isWindow ? 2 * MiB : Page;
        var objects = new List<ObjectFacts> { Anonymous };
        var all = new List<ProcessFacts>();
        for (var p = 0; p < processes; p++)
        {
            var mappings = new List<MappingFacts>();
            for (var i = 0; i < perProcess; i++)
            {
                objects.Add(File(objects.Count, ObjectKind.File, $"/data/{objects.Count}"));
                mappings.Add(new MappingFacts(Base + ((ulong)i * length), Base + ((ulong)(i + 1) * length), 0, MappingRights.Read | MappingRights.Shared, objects.Count - 1));
            }

            all.Add(Process(p + 1, mappings, isRead: true));
        }

        return Machine(objects, all);
    }

    private static MachineSnapshot Halved(int n)
    {
        var mappings = Enumerable.Range(0, n).Select(i => new MappingFacts(Base + ((ulong)i * Page), Base + ((ulong)(i + 1) * Page), 0, MappingRights.Read | MappingRights.Shared, i + 1)).ToArray();
        return Machine([Anonymous, .. Enumerable.Range(1, n).Select(i => File(i, ObjectKind.File, $"/data/{i}"))],
            [.. Enumerable.Range(1, 8).Select(p => Process(p, mappings, isRead: p <= 4) with { SampleRank = p <= 4 ? p - 1 : null })]);
    }

    private static MachineSnapshot HugeMaps(int n, int processes)
    {
        var mappings = Enumerable.Range(0, n).Select(i => new MappingFacts(Base + ((ulong)i * 4 * MiB), Base + ((ulong)i * 4 * MiB) + (2 * MiB), i * 4L * (long)MiB, Shared, 1)).ToArray();
        return Machine([Anonymous, File(1, ObjectKind.Hugetlb, "/dev/hugepages/a", 2 * MiB)], [.. Enumerable.Range(1, processes).Select(p => Process(p, mappings, isRead: true, leaf: 1))]);
    }

    private static MachineSnapshot Named(int n)
    {
        var processes = Enumerable.Range(1, n).Select(i => Process(i, [new MappingFacts(Base, Base + (4 * MiB), 0, Shared, i)], isRead: true)).ToList();
        return Machine([Anonymous, .. Enumerable.Range(1, n).Select(i => File(i, ObjectKind.SharedAnonymous, "/dev/zero (deleted)"))], processes);
    }

    private static MachineSnapshot Tmpfs(int n)
    {
        var processes = Enumerable.Range(0, 2 * n).Select(i => Process(i + 1, [new MappingFacts(Base, Base + (32 * MiB), 0, Shared, (i / 2) + 1)], isRead: true, name: $"p{i}")).ToList();
        var mount = new MountFacts("/dev/shm", "rw,size=1g", null, 1L << 40, 1L << 40, n);
        return Machine([Anonymous, .. Enumerable.Range(1, n).Select(i => File(i, ObjectKind.SharedMemory, $"/dev/shm/{i}") with { SizeBytes = 32 << 20, AllocatedBytes = 32 << 20, Mount = mount })], processes);
    }

    private static MachineSnapshot HugeFiles(int n)
    {
        var processes = Enumerable.Range(1, n).Select(i => Process(i, [new MappingFacts(Base, Base + GiB, 0, Shared, i)], isRead: true, leaf: 1)).ToList();
        return Machine([Anonymous, .. Enumerable.Range(1, n).Select(i => File(i, ObjectKind.Hugetlb, $"/dev/hugepages/{i}", 2 * MiB))], processes,
            probes: [.. Enumerable.Range(1, n).Select(i => new HugetlbProbe(i, 0, [i], 1))]);
    }

    private static MachineSnapshot HugeProcesses(int n)
    {
        var processes = Enumerable.Range(1, n).Select(i =>
        {
            var start = Base + ((ulong)(i % 1000) * 2 * MiB);
            return Process(i, [new MappingFacts(start, start + (3 * GiB), 0, Shared, 1)], isRead: i < 100, leaf: 1) with { HugeRuns = i < 100 ? null : [new PopulatedRun(0, start, start + (3 * GiB), 1)] };
        }).ToList();
        return Machine([Anonymous, File(1, ObjectKind.Hugetlb, "/dev/hugepages/a", 2 * MiB)], processes,
            probes: [.. Enumerable.Range(0, 3).Select(k => new HugetlbProbe(1, k * (long)GiB, [.. processes.Select(p => p.Pid)], Math.Min(n, 1000)))]);
    }

    private static MachineSnapshot HugeGiBs(int n)
    {
        var start = 1UL << 40;
        var mapping = new MappingFacts(start, start + ((ulong)n * GiB), 0, Shared, 1);
        var processes = Enumerable.Range(1, 4).Select(p => new ProcessFacts(p, "server", 0, "/", (n + 5) * Table, 0, 0, [mapping],
            [.. Enumerable.Range(0, n).Where(i => i % 2 == 0).Select(i => new PopulatedRun(0, start + ((ulong)i * GiB), start + ((ulong)i * GiB) + (2 * MiB), 1))])).ToList();
        return Machine([Anonymous, File(1, ObjectKind.Hugetlb, "/dev/hugepages/a", 2 * MiB)], processes,
            probes: [.. Enumerable.Range(0, n / 2).Select(i => new HugetlbProbe(1, i * 2L * (long)GiB, [1, 2, 3, 4], 1))]);
    }

    private static MachineSnapshot Extents(int n)
    {
        var extents = Enumerable.Range(0, n).Select(i => new PhysicalExtent((ulong)i * MiB, ((ulong)i * 3 * MiB) + (2 * MiB), MiB, 0)).ToArray();
        var file = File(1, ObjectKind.DaxFile, "/pmem/db") with { Dax = new DaxFacts(0, n * (long)MiB, "xfs", extents) };
        var start = 1UL << 40;
        return Machine([Anonymous, file], [.. Enumerable.Range(1, 2).Select(p => Process(p, [new MappingFacts(start, start + ((ulong)n * MiB), 0, Shared, 1)], isRead: true))]);
    }

    private static MachineSnapshot Runs(int n)
    {
        var start = 1UL << 40;
        var mapping = new MappingFacts(start, start + ((ulong)n * 4 * MiB), 0, Shared, 1);
        return Machine([Anonymous, File(1, ObjectKind.Memfd, "/memfd:sparse (deleted)")], [.. Enumerable.Range(1, 2).Select(p => new ProcessFacts(p, "server", 0, "/", (n * 3L) * Table, 0, 0, [mapping],
            [.. Enumerable.Range(0, n).Select(i => new PopulatedRun(0, start + ((ulong)i * 4 * MiB), start + ((ulong)i * 4 * MiB) + (2 * MiB), 0))]))]);
    }

    private static MachineSnapshot Processes(int n, int classes, int read)
    {
        var processes = Enumerable.Range(0, n).Select(i =>
        {
            var start = Base + ((ulong)(i % 4096) * Page);
            return Process(i + 1, [new MappingFacts(start - (64 * MiB), start - (60 * MiB), 0, Private, 0), new MappingFacts(start, start + (512 * MiB), 0, Shared, 1)],
                isRead: read > 0 && i % Math.Max(1, n / read) == 0, name: $"server{i % classes}", more: i % 100);
        }).ToList();
        return Machine([Anonymous, File(1, ObjectKind.Memfd, "/memfd:pool (deleted)")], processes);
    }

    private static MachineSnapshot Services(int n, string name)
    {
        var processes = Enumerable.Range(1, n).Select(i => Process(i, [new MappingFacts(Base, Base + (64 * MiB), 0, name == "java" ? Private : Shared, name == "java" ? 0 : i)], isRead: true, name: name) with
        {
            Service = new ServiceFacts("/usr/bin/" + name, $"/data/{i}", "15", name == "java" ? ["-Xmx64m"] : ["-m", "64"], 1, 8 << 20, false),
        }).ToList();
        return Machine([Anonymous, .. Enumerable.Range(1, n).Select(i => File(i, ObjectKind.Memfd, $"/memfd:ram{i} (deleted)") with { SizeBytes = 64 << 20, AllocatedBytes = 64 << 20 })], processes);
    }

    private static MachineSnapshot Cgroups(int n, Func<int, string> path)
    {
        var processes = Enumerable.Range(1, n).Select(i => Process(i, [new MappingFacts(Base, Base + (4 * MiB), 0, Shared, 1)], isRead: i % 1000 == 0, cgroup: path(i))).ToList();
        return Machine([Anonymous, File(1, ObjectKind.Memfd, "/memfd:a (deleted)")], processes, [.. processes.Select(p => new CgroupFacts(p.Cgroup, p.TableBytes, MemoryLimit: 1 << 30, MemoryUsed: 1 << 20))]);
    }
}
