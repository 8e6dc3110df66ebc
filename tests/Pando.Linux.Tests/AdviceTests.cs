using System.Globalization;
using System.Text.RegularExpressions;
using Pando.Linux.Analysis;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>Advice on machines and for servers that are not at hand: what it says, and what it must never say.</summary>
public partial class AdviceTests
{
    private const long Table = 4096;
    private const ulong KiB = 1UL << 10;
    private const ulong MiB = 1UL << 20;
    private const ulong GiB = 1UL << 30;
    private const MappingRights ReadWrite = MappingRights.Read | MappingRights.Write | MappingRights.Shared;

    private static readonly Dictionary<string, string> Config = new() { ["CONFIG_HUGETLB_PAGE"] = "y", ["CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING"] = "y", ["CONFIG_TRANSPARENT_HUGEPAGE"] = "y", ["CONFIG_FS_DAX_PMD"] = "y" };

    private readonly List<ObjectFacts> _objects = [new(0, ObjectKind.Anonymous, "[anonymous]", "", 0)];
    private readonly List<ProcessFacts> _processes = [];
    private readonly List<CgroupFacts> _cgroups = [];
    private MachineFacts _machine = new("6.12.0", 4, 2, 64L << 30, 1L << 30, 0, false, [new HugePagePool(2 * MiB, 0, 0, 0, 0), new HugePagePool(GiB, 0, 0, 0, 0)], Config, "madvise", "never", new Dictionary<string, string>(), 2 * MiB, 60L << 30);

    private int Add(ObjectKind kind, string name, ulong size, long? resident = null, MountFacts? mount = null)
    {
        _objects.Add(new ObjectFacts(_objects.Count, kind, name, "00:01", (ulong)_objects.Count + 65536, kind == ObjectKind.Hugetlb ? 2 * MiB : 0, kind == ObjectKind.Hugetlb ? "hugetlbfs" : "tmpfs", null, "", (long)size, resident ?? (long)size, mount));
        return _objects.Count - 1;
    }

    /// <summary>A process that has touched all of these, one after the other, each from a GiB border on.</summary>
    private int Start(string name, ServiceFacts? service, string cgroup, params (int Object, ulong Size)[] parts)
    {
        var mappings = new List<MappingFacts>();
        var runs = new List<PopulatedRun>();
        var tables = 1L;
        var at = 64 * GiB;
        foreach (var (number, size) in parts)
        {
            var isHuge = _objects[number].Kind == ObjectKind.Hugetlb;
            mappings.Add(new MappingFacts(at, at + size, 0, number == 0 ? MappingRights.Read | MappingRights.Write : ReadWrite, number));
            runs.Add(new PopulatedRun(mappings.Count - 1, at, at + size, isHuge ? 1 : 0));
            tables += (isHuge ? 0 : (long)((size + (2 * MiB) - 1) / (2 * MiB))) + (long)((size + GiB - 1) / GiB);
            at += (size + GiB - 1) / GiB * GiB;
        }

        var pid = _processes.Count + 1;
        var huge = parts.Where(p => _objects[p.Object].Kind == ObjectKind.Hugetlb).Sum(p => (long)p.Size);
        _processes.Add(new ProcessFacts(pid, name, 100, cgroup, tables * Table, huge, 0, mappings, runs, Service: service, AnonymousBytes: parts.Where(p => p.Object == 0).Sum(p => (long)p.Size)));
        return pid;
    }

    private ScanReport Report() => ScanAnalysis.Analyse(new MachineSnapshot(DateTimeOffset.UnixEpoch, 1, true, _machine, _objects, _processes, _cgroups, [], []), new ReportOptions());

    private static ServiceFacts Facts(string executable, string version = "", params string[] arguments) => new(executable, "/var/lib/data", version, arguments, 1, 8L << 20, false);

    private static string Text(Advice advice) => string.Join('\n', advice.Lines);

    [GeneratedRegex("^echo ([0-9]+) > /sys/kernel/mm/hugepages/hugepages-([0-9]+)kB/nr_hugepages", RegexOptions.Multiline)]
    private static partial Regex PoolLine();

    private static (long Total, ulong Size)? Pool(Advice advice) =>
        PoolLine().Match(Text(advice)) is { Success: true } m ? (long.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture), ulong.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture) * KiB) : null;

    [Theory]
    [InlineData(2 * MiB)]
    [InlineData(GiB)]
    [InlineData(64 * KiB)] // Arm64 knows contiguous sizes, too
    [InlineData(32 * MiB)]
    [InlineData(512 * MiB)]
    public void Whatever_the_default_size_the_pool_of_2_MiB_is_named_and_the_mount_too(ulong defaultSize)
    {
        _machine = _machine with { DefaultHugePageSize = defaultSize, Pools = [new HugePagePool(2 * MiB, 0, 0, 0, 0), new HugePagePool(defaultSize, 0, 0, 0, 0)] };
        var small = Add(ObjectKind.SharedMemory, "/dev/shm/small", 8 * MiB, mount: new MountFacts("/dev/shm", "rw", null, 0, 0, 2));
        foreach (var i in Enumerable.Range(0, 200))
        {
            Start("server", null, "/", (small, 8 * MiB));
        }

        var advice = Assert.Single(Report().Advice, a => a.Pages > 0);

        Assert.Equal((4L, 2 * MiB), Pool(advice));
        Assert.DoesNotContain("vm.nr_hugepages", Text(advice), StringComparison.Ordinal);
        Assert.Contains("mount -t hugetlbfs -o pagesize=2M ", Text(advice), StringComparison.Ordinal);
        Assert.Equal(defaultSize == 2 * MiB, Text(advice).Contains("grep HugePages_Total", StringComparison.Ordinal));
        Assert.Contains("must say 4", Text(advice), StringComparison.Ordinal);
        Assert.Contains("hugepagesz=2M hugepages=4", Text(advice), StringComparison.Ordinal);
        Assert.Contains("give up: echo 0 >", Text(advice), StringComparison.Ordinal);
    }

    public static TheoryData<string, string, bool, bool> PostgresVersions()
    {
        // PG_VERSION, program, huge_pages known, huge_page_size known.
        var data = new TheoryData<string, string, bool, bool>
        {
            { "", "/usr/lib/postgresql/13/bin/postgres", true, false },
            { "", "/usr/lib/postgresql/14/bin/postgres", true, true },
            { "", "/usr/pgsql-9.6/bin/postmaster", true, false },
            { "", "/usr/pgsql-16/bin/postgres", true, true },
            { "", "/usr/lib/postgresql15/bin/postgres (deleted)", true, true },
            { "", "/nix/store/abc-postgresql-14.9/bin/postgres", true, true },
            { "", "/opt/PostgreSQL/9.2/bin/postgres", false, false },
            { "", "/usr/local/pgsql/bin/postgres", true, false }, // nothing tells the version
            { "not a number", "/usr/local/bin/postgres", true, false },
            { "17", "/usr/lib/postgresql/13/bin/postgres", true, true }, // the data's version is the server's
        };
        foreach (var version in new[] { "8.4", "9.2", "9.3", "9.4", "9.5", "9.6", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19" })
        {
            var number = decimal.Parse(version, CultureInfo.InvariantCulture);
            data.Add(version, "/usr/local/bin/postgres", number >= 9.4m, number >= 14);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(PostgresVersions))]
    public void PostgreSQL_gets_only_settings_that_its_version_knows(string dataVersion, string program, bool hasHugePages, bool hasSize)
    {
        var segment = Add(ObjectKind.SharedAnonymous, "/dev/zero (deleted)", 4 * GiB);
        Start("postgres", Facts(program, dataVersion), "/", (segment, 4 * GiB));
        Start("postgres", Facts(program, dataVersion), "/", (segment, 4 * GiB));

        var advice = Report().Advice.Where(a => a.Service == nameof(ServiceKind.PostgreSql)).ToList();

        Assert.Equal(hasHugePages, advice.Count == 1);
        if (hasHugePages)
        {
            Assert.Contains("huge_pages = on", advice[0].Lines);
            Assert.Equal(hasSize, advice[0].Lines.Contains("huge_page_size = 2MB"));
            Assert.DoesNotContain(advice[0].Lines, l => l.StartsWith("shared_memory_type", StringComparison.Ordinal));
            Assert.Equal((2048L, 2 * MiB), Pool(advice[0]));
        }
    }

    [Theory]
    [InlineData("13", 4L, GiB)] // takes the default size: 4 pages of 1 GiB
    [InlineData("", 4L, GiB)]
    [InlineData("15", 2048L, 2 * MiB)] // can be told
    public void PostgreSQL_without_huge_page_size_takes_the_default_size_and_the_pool_is_of_that(string version, long pages, ulong size)
    {
        _machine = _machine with { DefaultHugePageSize = GiB };
        var segment = Add(ObjectKind.SharedAnonymous, "/dev/zero (deleted)", 4 * GiB);
        Start("postgres", Facts("/bin/postgres", version), "/", (segment, 4 * GiB));
        Start("postgres", Facts("/bin/postgres", version), "/", (segment, 4 * GiB));

        Assert.Equal((pages, size), Pool(Assert.Single(Report().Advice, a => a.Service == nameof(ServiceKind.PostgreSql))));
    }

    [Theory]
    [InlineData(ObjectKind.SharedMemory, "/dev/shm/PostgreSQL.1804289383")]
    [InlineData(ObjectKind.SystemV, "/SYSV6b8b4567 (deleted)")]
    public void What_PostgreSQL_maps_for_parallel_queries_is_not_what_huge_pages_moves(ObjectKind kind, string name)
    {
        var segment = Add(ObjectKind.SharedAnonymous, "/dev/zero (deleted)", 4 * GiB);
        var dynamic = Add(kind, name, 2 * GiB);
        for (var i = 0; i < 4; i++)
        {
            Start("postgres", Facts("/bin/postgres", "15"), "/", (segment, 4 * GiB), (dynamic, 2 * GiB));
        }

        var advice = Assert.Single(Report().Advice, a => a.Service == nameof(ServiceKind.PostgreSql));

        Assert.Equal((2048L, 2 * MiB), Pool(advice));
        Assert.Equal([segment], advice.ObjectNumbers);

        // Once the server has them, what is left is no reason to advise the same again.
        _objects[segment] = _objects[segment] with { Kind = ObjectKind.Hugetlb, HugePageSize = 2 * MiB, FileSystem = "hugetlbfs" };
        for (var i = 0; i < _processes.Count; i++)
        {
            _processes[i] = _processes[i] with { Populated = [.. _processes[i].Populated!.Select(r => r.Mapping == 0 ? r with { LeafLevel = 1 } : r)] };
        }

        Assert.DoesNotContain(Report().Advice, a => a.Service == nameof(ServiceKind.PostgreSql));
    }

    [Theory]
    [InlineData("12")]
    [InlineData("16")]
    [InlineData("")]
    public void PostgreSQL_on_SysV_memory_is_told_to_leave_it_since_huge_pages_are_fatal_there(string version)
    {
        var segment = Add(ObjectKind.SystemV, "/SYSV0052e2c1 (deleted)", 4 * GiB);
        Start("postgres", Facts("/bin/postgres", version), "/", (segment, 4 * GiB));

        var lines = Assert.Single(Report().Advice, a => a.Service == nameof(ServiceKind.PostgreSql)).Lines.ToList();

        var type = lines.FindIndex(l => l.StartsWith("shared_memory_type = mmap", StringComparison.Ordinal));
        Assert.True(type >= 0 && type < lines.IndexOf("huge_pages = on"));
    }

    [Fact]
    public void An_SGA_of_several_segments_gets_one_advice_and_one_limit_for_all_of_it()
    {
        // c06: the first segment is in huge pages already, three are not.
        _machine = _machine with { Pools = [new HugePagePool(2 * MiB, 64, 0, 0, 0)] };
        var parts = new List<(int, ulong)> { (Add(ObjectKind.Hugetlb, "/SYSV00000000 (deleted)", 128 * MiB), 128 * MiB) };
        parts.AddRange(Enumerable.Range(0, 3).Select(_ => (Add(ObjectKind.SystemV, "/SYSV00000000 (deleted)", 256 * MiB), 256 * MiB)));
        foreach (var i in Enumerable.Range(0, 20))
        {
            Start(i == 0 ? "ora_pmon_orcl" : $"oracle_{i}_orcl", null, "/", [.. parts]);
        }

        var report = Report();
        var advice = Assert.Single(report.Advice, a => a.Pages > 0);

        Assert.Equal("Oracle orcl: SGA in huge pages", advice.Title);
        Assert.Contains(advice.Lines, l => l.StartsWith("echo 'oracle - memlock 917504'", StringComparison.Ordinal));
        Assert.Equal((448L, 2 * MiB), Pool(advice));
        Assert.Equal(384, advice.Pages);
        Assert.Equal(20 * 3 * 128 * Table, advice.SavedBytes);
        Assert.Single(advice.Lines, l => l.Contains("use_large_pages='ONLY'", StringComparison.Ordinal));
        Assert.Equal(4, advice.ObjectNumbers.Count + 1);
    }

    [Fact]
    public void Two_instances_of_one_server_are_two_services_and_each_is_told_of_the_other()
    {
        for (var i = 0; i < 2; i++)
        {
            var segment = Add(ObjectKind.SharedAnonymous, "/dev/zero (deleted)", (4 + (ulong)i) * GiB);
            Start("postgres", Facts("/usr/lib/postgresql/15/bin/postgres", "15") with { WorkingDirectory = $"/data/{i}" }, "/", (segment, (4 + (ulong)i) * GiB));
        }

        var advice = Report().Advice.Where(a => a.Pages > 0).ToList();

        Assert.Equal([(5 * 512L, 2 * MiB), (9 * 512L, 2 * MiB)], advice.Select(a => Pool(a)!.Value));
        Assert.Contains("PostgreSQL in /data/0 (huge_pages is 'try' unless it is set)", Text(advice[0]), StringComparison.Ordinal);
        Assert.Contains("first stop PostgreSQL in /data/1", Text(advice[0]), StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_server_of_several_objects_gets_one_advice_for_them_together()
    {
        var a = Add(ObjectKind.Memfd, "/memfd:ring (deleted)", 512 * MiB);
        var b = Add(ObjectKind.SystemV, "/SYSV00000001 (deleted)", 256 * MiB);
        var c = Add(ObjectKind.SharedAnonymous, "/dev/zero (deleted)", 128 * MiB);
        var other = Add(ObjectKind.Memfd, "/memfd:other (deleted)", 512 * MiB);
        Start("server", null, "/", (a, 512 * MiB), (b, 256 * MiB));
        Start("server", null, "/", (b, 256 * MiB), (c, 128 * MiB));
        Start("server", null, "/", (c, 128 * MiB), (a, 512 * MiB));
        Start("stranger", null, "/", (other, 512 * MiB));

        var advice = Report().Advice.Where(x => x.Pages > 0).ToList();

        Assert.Equal([448L, 256L], advice.Select(x => x.Pages));
        Assert.Contains("memfd_create(name, MFD_HUGETLB | MFD_HUGE_2MB)", Text(advice[0]), StringComparison.Ordinal);
        Assert.Contains("SHM_HUGETLB | SHM_HUGE_2MB", Text(advice[0]), StringComparison.Ordinal);
        Assert.Contains("memlock 262144 KiB", Text(advice[0]), StringComparison.Ordinal);
        Assert.Contains("MAP_HUGETLB | MAP_HUGE_2MB", Text(advice[0]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_sparse_map_is_not_put_in_more_memory_than_the_machine_has()
    {
        // c29: 60 MiB used of 30 GiB, on 23.5 GiB of RAM.
        _machine = _machine with { MemoryBytes = 24_041L << 20, AvailableBytes = 22L << 30 };
        var sparse = Add(ObjectKind.Memfd, "/memfd:sparse (deleted)", 30 * GiB, resident: 60 << 20);
        foreach (var i in Enumerable.Range(0, 4))
        {
            Start("c29", null, "/", (sparse, 30 * GiB));
        }

        var report = Report();
        var o = report.Objects.Single(x => x.Number == sparse);

        Assert.Empty(report.Advice);
        Assert.Equal((30L << 30, 60L << 20, 30L << 30, 15360L), (o.MappedBytes, o.ResidentBytes, o.TouchedBytes, o.HugePages));
        Assert.All(o.Cures.Where(c => c.Id is "hugetlb-2m" or "hugetlb-2m-shared" or "hugetlb-1g" or "shmem-thp"), c => Assert.Equal(30L << 30, c.MemoryBytes));
        Assert.Contains(report.Notes, n => n.Contains("the machine can give", StringComparison.Ordinal));
        Assert.Contains(report.Notes, n => n.StartsWith("Transparent huge pages are not advised", StringComparison.Ordinal));
    }

    [Fact]
    public void A_sparse_map_that_would_fit_says_what_it_takes_and_gets_no_transparent_huge_pages()
    {
        var sparse = Add(ObjectKind.Memfd, "/memfd:sparse (deleted)", GiB, resident: 2 << 20);
        foreach (var _ in Enumerable.Range(0, 4))
        {
            Start("c29", null, "/", (sparse, GiB));
        }

        var advice = Assert.Single(Report().Advice);

        Assert.StartsWith("# only if it fills up later: now 2 MiB of 1 GiB are used", advice.Lines[0], StringComparison.Ordinal);
        Assert.Equal(1022L << 20, advice.MemoryBytes);
        Assert.Contains("2 MiB of them are in use", advice.Cost, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 0, false, "the first touch beyond is SIGBUS")]
    [InlineData(512, 256, false, "the first touch beyond is SIGBUS")]
    [InlineData(511, 0, true, "mmap fails beyond")]
    [InlineData(512, 0, false, null)]
    [InlineData(768, 256, true, null)]
    public void A_cgroup_that_may_not_have_so_many_pages_is_told_first(long limitMiB, long usedMiB, bool reserved, string? words)
    {
        var memory = Add(ObjectKind.Memfd, "/memfd:a (deleted)", 512 * MiB);
        _cgroups.Add(new CgroupFacts("/a/b", null, Hugetlb: [new HugetlbLimit(2 * MiB, limitMiB << 20, usedMiB << 20, "/a", "/sys/fs/cgroup/a/hugetlb.2MB.max", reserved)]));
        Start("server", null, "/a/b", (memory, 512 * MiB));

        var text = Text(Assert.Single(Report().Advice, a => a.Pages > 0));

        Assert.Equal(words is not null, text.Contains("/sys/fs/cgroup/a/hugetlb.2MB.max", StringComparison.Ordinal));
        if (words is not null)
        {
            Assert.Contains(words, text, StringComparison.Ordinal);
            Assert.Contains($"echo {(usedMiB + 512) << 20} > /sys/fs/cgroup/a/hugetlb.2MB.max", text, StringComparison.Ordinal);
            Assert.Contains("hugepages-2Mi: 512Mi", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_pod_gets_its_huge_pages_from_its_own_spec()
    {
        const string Pod = "/kubepods.slice/kubepods-pod0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0.slice";
        var path = $"{Pod}/cri-containerd-4f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff0.scope";
        var segment = Add(ObjectKind.SharedAnonymous, "/dev/zero (deleted)", GiB);
        _cgroups.Add(new CgroupFacts(path, null, Hugetlb: [new HugetlbLimit(2 * MiB, 0, 0, Pod, "/sys/fs/cgroup/x/hugetlb.2MB.max", false)], PodName: "shop/db-0", ContainerName: "postgres"));
        Start("postgres", Facts("/usr/lib/postgresql/16/bin/postgres", "16"), path, (segment, GiB));

        var advice = Assert.Single(Report().Advice, a => a.Pages > 0);

        Assert.Contains("  limits: {hugepages-2Mi: 1024Mi}", Text(advice), StringComparison.Ordinal);
        Assert.Contains("medium: HugePages-2Mi", Text(advice), StringComparison.Ordinal);
        Assert.Contains("shop/db-0", Text(advice), StringComparison.Ordinal);
        Assert.Contains("Bus error", Text(advice), StringComparison.Ordinal);
        Assert.Contains("systemctl restart kubelet", Text(advice), StringComparison.Ordinal);
        Assert.DoesNotContain("echo 1073741824", Text(advice), StringComparison.Ordinal); // the kubelet writes that file
        Assert.Contains("huge_pages = on", advice.Lines);
    }

    [Fact]
    public void A_pool_that_is_large_enough_is_left_alone_and_none_is_made_smaller()
    {
        _machine = _machine with { Pools = [new HugePagePool(2 * MiB, 5000, 4000, 100, 0)] };
        var memory = Add(ObjectKind.Memfd, "/memfd:a (deleted)", GiB);
        Start("server", null, "/", (memory, GiB));

        var advice = Assert.Single(Report().Advice, a => a.Pages > 0);

        Assert.Null(Pool(advice));
        Assert.Contains("the pool has enough: 5000 pages", Text(advice), StringComparison.Ordinal);
    }

    [Fact]
    public void A_tmpfs_elsewhere_is_remounted_where_it_is()
    {
        var file = Add(ObjectKind.SharedMemory, "/mnt/cache dir/index", GiB, mount: new MountFacts("/mnt/cache dir", "rw,size=4194304k", null, 4L << 30, 3L << 30, 2));
        Start("server", null, "/", (file, GiB));

        var advice = Assert.Single(Report().Advice, a => a.Title.StartsWith("Transparent", StringComparison.Ordinal));

        Assert.StartsWith("mount -o remount,huge=always '/mnt/cache dir'   #", advice.Lines[0], StringComparison.Ordinal);
        Assert.Equal(512 * Table, advice.SavedBytes);
    }

    [Theory]
    [InlineData("rw,huge=always", null, 2, "")] // it has them: made before, or no memory in one piece
    [InlineData("rw,huge=within_size", null, 2, "mount -o remount,huge=always /t")]
    [InlineData("rw", 4711, 2, "nsenter -m -t 4711 mount -o remount,huge=always /t")]
    [InlineData("rw", null, 100_000, "mkdir -p /mnt/huge-tmpfs && mount -t tmpfs -o huge=always,size=")]
    public void The_options_the_namespace_and_the_other_files_of_a_tmpfs_decide(string options, int? space, long files, string line)
    {
        var file = Add(ObjectKind.SharedMemory, "/t/index", GiB, mount: new MountFacts("/t", options, space, 0, 0, files));
        Start("server", null, "/", (file, GiB));

        var advice = Report().Advice.Where(a => a.Title.StartsWith("Transparent", StringComparison.Ordinal)).ToList();

        Assert.Equal(line.Length > 0, advice.Count == 1);
        Assert.All(advice, a => Assert.StartsWith(line, a.Lines[0], StringComparison.Ordinal));
    }

    [Fact]
    public void A_tmpfs_that_could_not_be_found_gets_words_and_no_number()
    {
        var file = Add(ObjectKind.SharedMemory, "/dev/shm/index", GiB);
        Start("server", null, "/", (file, GiB));

        var advice = Assert.Single(Report().Advice, a => a.Title.StartsWith("Transparent", StringComparison.Ordinal));

        Assert.Null(advice.SavedBytes);
        Assert.All(advice.Lines, l => Assert.StartsWith("#", l, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("never", "inherit", "echo within_size > /sys/kernel/mm/transparent_hugepage/shmem_enabled ")]
    [InlineData("deny", "inherit", "echo within_size > /sys/kernel/mm/transparent_hugepage/shmem_enabled ")]
    [InlineData("advise", "", "echo within_size > /sys/kernel/mm/transparent_hugepage/shmem_enabled ")]
    [InlineData("within_size", "inherit", null)]
    [InlineData("within_size", "never", "echo within_size > /sys/kernel/mm/transparent_hugepage/hugepages-2048kB/shmem_enabled ")]
    [InlineData("never", "always", null)]
    public void The_setting_that_holds_for_2_MiB_is_the_one_that_is_advised(string global, string ofSize, string? line)
    {
        _machine = _machine with { ShmemHugePages = global, Settings = ofSize.Length == 0 ? new Dictionary<string, string>() : new Dictionary<string, string> { [MachineFacts.ShmemSetting] = ofSize } };
        var memory = Add(ObjectKind.Memfd, "/memfd:a (deleted)", GiB);
        Start("server", null, "/", (memory, GiB));

        var advice = Report().Advice.Where(a => a.Title.StartsWith("Transparent", StringComparison.Ordinal)).ToList();

        Assert.Equal(line is not null, advice.Count == 1);
        Assert.All(advice, a => Assert.StartsWith(line!, a.Lines[0], StringComparison.Ordinal));
    }

    [Fact]
    public void A_tmpfs_or_a_cgroup_that_is_nearly_full_gets_no_transparent_huge_pages()
    {
        var file = Add(ObjectKind.SharedMemory, "/t/index", GiB, resident: 700 << 20, mount: new MountFacts("/t", "rw", null, 1L << 30, 100 << 20, 2));
        var memory = Add(ObjectKind.Memfd, "/memfd:a (deleted)", GiB, resident: 700 << 20);
        _cgroups.Add(new CgroupFacts("/tight", null, MemoryLimit: 1L << 30, MemoryUsed: 900 << 20));
        Start("server", null, "/", (file, GiB));
        Start("other", null, "/tight", (memory, GiB));

        var report = Report();

        Assert.DoesNotContain(report.Advice, a => a.Title.StartsWith("Transparent", StringComparison.Ordinal));
        Assert.Contains(report.Notes, n => n.Contains("/t has 100 MiB free", StringComparison.Ordinal));
        Assert.Contains(report.Notes, n => n.Contains("memory.max of the processes' cgroup leaves 124 MiB", StringComparison.Ordinal));
    }

    [Fact]
    public void MySQL_is_advised_its_buffer_pool_in_its_own_words()
    {
        Start("mysqld", Facts("/usr/sbin/mysqld"), "/", (0, 2 * GiB), (0, 1 * MiB));

        var advice = Assert.Single(Report().Advice);

        Assert.Equal((1024L, null), (advice.Pages, advice.SavedBytes));
        Assert.Contains("large-pages", advice.Lines);
        Assert.Contains("LimitMEMLOCK=infinity", Text(advice), StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_of_QEMU_is_advised_for_libvirt_and_without()
    {
        Start("qemu-system-x86", Facts("/usr/bin/qemu-system-x86_64", "", "-m", "4096"), "/machine.slice/machine-qemu\\x2d1\\x2dmy\\x2dvm.scope", (0, 4 * GiB));

        var advice = Assert.Single(Report().Advice);

        Assert.Equal((2048L, 2048 * Table), (advice.Pages, advice.SavedBytes));
        Assert.Contains("virsh edit my-vm ", Text(advice), StringComparison.Ordinal);
        Assert.Contains("memory-backend-memfd,id=ram,size=4096M,hugetlb=on,hugetlbsize=2M", Text(advice), StringComparison.Ordinal);
    }

    [Fact]
    public void DPDK_without_huge_pages_is_told_to_take_them()
    {
        var memory = Add(ObjectKind.Memfd, "/memfd:nohuge (deleted)", GiB);
        Start("l2fwd", null, "/", (memory, GiB));

        var advice = Assert.Single(Report().Advice, a => a.Pages > 0);

        Assert.Equal(nameof(ServiceKind.Dpdk), advice.Service);
        Assert.Contains("start without --no-huge", Text(advice), StringComparison.Ordinal);
        Assert.Contains("-m 1024", Text(advice), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("always", false, true)]
    [InlineData("always", true, false)]
    [InlineData("madvise", false, false)]
    public void Redis_is_told_to_do_without_transparent_huge_pages_where_it_may_get_them(string enabled, bool refuses, bool isTold)
    {
        _machine = _machine with { TransparentHugePages = enabled };
        Start("redis-server", Facts("/usr/bin/redis-server") with { RefusesHugePages = refuses }, "/", (0, 2 * GiB));

        var advice = Report().Advice;

        Assert.Equal(isTold, advice.Any(a => a.Service == nameof(ServiceKind.Redis) && a.SavedBytes is null && a.Lines[0].StartsWith("disable-thp yes", StringComparison.Ordinal)));
        Assert.DoesNotContain(advice, a => a.Pages > 0); // huge pages of a pool and fork do not go together
    }

    [Fact]
    public void Java_needs_heap_code_cache_and_the_collectors_tables()
    {
        // As OpenJDK 17 with -XX:+UseG1GC -Xmx1g maps them.
        const MappingRights Data = MappingRights.Read | MappingRights.Write;
        const MappingRights Code = Data | MappingRights.Execute;
        MappingFacts Map(ulong start, ulong size, MappingRights rights) => new(start, start + size, 0, rights, 0);
        MappingFacts[] maps =
        [
            Map(0xc0000000, 1022 * MiB, Data), Map(0xc0000000 + (1022 * MiB), 2 * MiB, 0),
            Map(0x7f0000000000, 132 * KiB, Data), Map(0x7f0000000000 + (132 * KiB), (64 * MiB) - (132 * KiB), 0),
            Map(0x7f1000000000, 16 * MiB, Data), Map(0x7f1000000000 + (16 * MiB), 3 * MiB, Code), Map(0x7f1000000000 + (19 * MiB), 114 * MiB, 0), Map(0x7f1000000000 + (133 * MiB), 3 * MiB, Code), Map(0x7f1000000000 + (136 * MiB), 120 * MiB, 0),
        ];
        var runs = maps.Select((m, i) => new PopulatedRun(i, m.Start, m.End, 0)).Where(r => (maps[r.Mapping].Rights & MappingRights.Write) != 0).ToList();
        _processes.Add(new ProcessFacts(1, "java", 0, "/", 700 * Table, 0, 0, maps, runs, Service: Facts("/usr/lib/jvm/bin/java", "", "-Xms1g", "-Xmx1g"), AnonymousBytes: 1 << 30));

        var advice = Assert.Single(Report().Advice);

        Assert.Equal(512 + 120 + 19, advice.Pages);
        Assert.StartsWith("-XX:+UseLargePages ", advice.Lines.Single(l => l.StartsWith('-')), StringComparison.Ordinal);
        Assert.InRange(advice.SavedBytes!.Value, (511 + 8) * Table, (511 + 8 + 4) * Table);
    }

    [Fact]
    public void No_advice_ever_asks_for_more_than_the_machine_has_and_none_makes_a_pool_smaller()
    {
        var random = new Random(29);
        var given = 0;
        for (var round = 0; round < 3000; round++)
        {
            _objects.RemoveRange(1, _objects.Count - 1);
            _processes.Clear();
            _cgroups.Clear();
            var memory = random.NextInt64(1L << 30, 1L << 38);
            var total = random.Next(3) == 0 ? 0 : random.NextInt64(0, (memory >> 21) + 1);
            var free = random.NextInt64(0, total + 1);
            var available = random.NextInt64(0, memory - (total << 21) + 1);
            _machine = _machine with
            {
                MemoryBytes = memory,
                AvailableBytes = random.Next(4) == 0 ? null : available,
                DefaultHugePageSize = random.Next(3) switch { 0 => 2 * MiB, 1 => GiB, _ => 32 * MiB },
                Pools = [new HugePagePool(2 * MiB, total, free, random.NextInt64(0, free + 1), random.NextInt64(0, total + 1)), new HugePagePool(GiB, 0, 0, 0, 0), new HugePagePool(32 * MiB, 0, 0, 0, 0)],
            };
            string[] names = ["postgres", "oracle_1_x", "server", "java", "mysqld", "qemu-system-x86", "dpdk-testpmd"];
            long resident = 0;
            for (var i = random.Next(1, 6); i > 0; i--)
            {
                var size = (ulong)random.NextInt64(1, 1L << random.Next(8, 26)) * 4096;
                var name = names[random.Next(names.Length)];
                var held = random.NextInt64(0, Math.Min((long)size, memory / 8) + 1);
                resident += held;
                var number = name is "mysqld" ? 0 : Add(random.Next(3) switch { 0 => ObjectKind.SystemV, 1 => ObjectKind.Memfd, _ => ObjectKind.SharedAnonymous }, "/x", size, held);
                foreach (var _ in Enumerable.Range(0, random.Next(1, 30)))
                {
                    Start(name, Facts("/bin/" + name, random.Next(2) == 0 ? "15" : "13"), "/", (number, size));
                    resident += number == 0 ? Math.Min((long)size, _processes[^1].AnonymousBytes) : 0;
                }
            }

            long promised = 0;
            foreach (var advice in Report().Advice.Where(a => a.Pages > 0))
            {
                given++;
                promised += advice.Pages * advice.PageSize;
                Assert.True(promised <= (_machine.AvailableBytes ?? memory) + resident + (total << 21), $"round {round}: {promised} promised");
                if (Pool(advice) is var (wanted, size))
                {
                    var pool = _machine.Pools.Single(p => p.PageSize == size);
                    Assert.True(wanted > pool.Total - pool.Surplus);
                    Assert.True(wanted - pool.Total <= ((_machine.AvailableBytes ?? memory) + resident) / (long)size);
                }

                Assert.True(advice.SavedBytes is null ? advice.Service == nameof(ServiceKind.MySql) : advice.SavedBytes >= 1 << 20);
                Assert.DoesNotContain("nr_hugepages=", Text(advice), StringComparison.Ordinal);
            }
        }

        Assert.True(given > 500, $"only {given} pieces of advice were given");
    }
}
