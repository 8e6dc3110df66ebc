using Pando.Linux.Analysis;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>The analysis on machines that are not at hand.</summary>
public class AnalysisTests
{
    private const long Table = 4096;
    private const ulong TiB = 1UL << 40;
    private const MappingRights ReadWrite = MappingRights.Read | MappingRights.Write | MappingRights.Shared;

    private static MachineSnapshot Machine(IReadOnlyList<ObjectFacts> objects, IEnumerable<ProcessFacts> processes, IReadOnlyList<HugetlbProbe>? probes = null)
    {
        var config = new Dictionary<string, string> { ["CONFIG_HUGETLB_PAGE"] = "y", ["CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING"] = "y", ["CONFIG_FS_DAX_PMD"] = "y", ["CONFIG_TRANSPARENT_HUGEPAGE"] = "y" };
        return new MachineSnapshot(DateTimeOffset.UnixEpoch, 1, true,
            new MachineFacts("6.12.0", 4, 2, 24L << 30, 1L << 30, 0, false, [], config, "madvise", "never", new Dictionary<string, string>()),
            objects, [.. processes], [], probes ?? [], []);
    }

    private static ProcessFacts Mapper(int pid, MappingFacts mapping, int leaf, long tables) =>
        new(pid, "oracle", 54, "/", tables * Table, 0, 0, [mapping], [new PopulatedRun(0, mapping.Start, mapping.End, leaf)]);

    private static ObjectFacts Anonymous => new(0, ObjectKind.Anonymous, "[anonymous]", "", 0);

    [Fact]
    public void Six_TiB_of_persistent_memory_cost_234_GiB_at_ten_thousand_processes_and_24_MiB_once()
    {
        var file = new ObjectFacts(1, ObjectKind.DaxFile, "/pmem/db", "103:0", 7, 0, "xfs",
            new DaxFacts(0, (long)(6 * TiB), "xfs", [new PhysicalExtent(0, 2 << 20, 6 * TiB, 0)]));
        var mapping = new MappingFacts(TiB, 7 * TiB, 0, ReadWrite, 1);

        var report = ScanAnalysis.Analyse(
            Machine([Anonymous, file], Enumerable.Range(1, 4).Select(i => Mapper(i, mapping, 1, 6144 + 12))),
            new ReportOptions { At = 10_000, ObjectName = "/pmem/db" });
        var dax = Assert.Single(report.Objects);
        var proposal = dax.Cures.Single(c => c.Id == "dax-pmd-shared");

        Assert.Equal((4 * (6144 + 12) * Table, (6144 + 12) * Table, 3 * (6144 + 12) * Table, 0L), (dax.TableBytes, dax.NeededOnce, dax.Duplicate, dax.Empty));
        Assert.Equal((0L, 4L * 6144 * 512), (dax.Dax!.Windows4KiB, dax.Dax.Windows2MiB));
        Assert.Empty(dax.Dax.Reasons);
        Assert.Equal(10_000L * (6144 + 12) * Table, proposal.AtBytesNow);
        Assert.Equal((6144 + (10_000L * 12)) * Table, proposal.AtBytesAfter);
        Assert.Equal((6144 + 12) * Table, dax.Cures.Single(c => c.Id == "pando-512g").AtBytesAfter);
    }

    [Fact]
    public void A_DAX_file_in_a_badly_placed_partition_is_told_to_be_made_anew()
    {
        const ulong GiB = 1UL << 30;
        var file = new ObjectFacts(1, ObjectKind.DaxFile, "/pmem/db", "103:1", 7, 0, "xfs",
            new DaxFacts(1 << 20, (long)GiB, "xfs", [new PhysicalExtent(0, 2 << 20, GiB, 0)]));

        var report = ScanAnalysis.Analyse(Machine([Anonymous, file], [Mapper(1, new MappingFacts(GiB, 2 * GiB, 0, ReadWrite, 1), 0, 514)]), new ReportOptions());

        Assert.Equal(new Dictionary<string, long> { ["PhysicalNotAligned"] = 512 }, report.Objects.Single(o => o.Number == 1).Dax!.Reasons);
        var advice = Assert.Single(report.Advice);
        Assert.Contains(advice.Lines, l => l.StartsWith("mkfs.xfs", StringComparison.Ordinal));
        Assert.Equal(512 * Table, advice.SavedBytes);
    }

    [Fact]
    public void Without_kpagecount_sharing_is_judged_by_the_rules_and_the_report_says_so()
    {
        const ulong GiB = 1UL << 30;
        var segment = new ObjectFacts(1, ObjectKind.Hugetlb, "/anon_hugepage (deleted)", "00:10", 9, 2 << 20, "hugetlbfs");
        var processes = Enumerable.Range(1, 3).Select(i => Mapper(i, new MappingFacts(GiB, 3 * GiB, 0, ReadWrite, 1), 1, 3));

        var report = ScanAnalysis.Analyse(Machine([Anonymous, segment], processes, [new HugetlbProbe(1, 0, [1, 2, 3], null), new HugetlbProbe(1, (long)GiB, [1, 2, 3], null)]), new ReportOptions());
        var sharing = report.Objects.Single(o => o.Number == 1).Sharing!;

        Assert.False(sharing.Measured);
        Assert.Equal((6L, 2L, 3), (sharing.TablesIfPrivate, sharing.Tables, sharing.SharingProcesses));
    }

    [Theory]
    [InlineData(MappingRights.Read | MappingRights.Write, "rd wr mr mw me ht", ShareRefusal.PrivateMapping, "MAP_PRIVATE")]
    [InlineData(ReadWrite, "rd wr sh mr mw me ms uw ht", ShareRefusal.Userfaultfd, "write-protect")]
    [InlineData(ReadWrite, "rd wr sh mr mw me ms ui ht", ShareRefusal.Userfaultfd, "minor")]
    [InlineData(ReadWrite, "rd wr sh mr mw me ms dc ht", ShareRefusal.FlagsDiffer, "only here [dc]")]
    [InlineData(ReadWrite, "rd wr sh mr mw me ms lo ht", null, null)]
    public void The_flags_of_one_mapping_decide_whether_it_shares_and_locked_does_not_matter(MappingRights rights, string flags, ShareRefusal? reason, string? detail)
    {
        const ulong GiB = 1UL << 30;
        var segment = new ObjectFacts(1, ObjectKind.Hugetlb, "/anon_hugepage (deleted)", "00:10", 9, 2 << 20, "hugetlbfs");
        var mapping = new MappingFacts(GiB, 2 * GiB, 0, ReadWrite, 1);
        var plain = new Dictionary<int, string> { [0] = "rd wr sh mr mw me ms ht" };
        var others = Enumerable.Range(1, 3).Select(i => Mapper(i, mapping, 1, 2) with { VmFlags = plain });
        var odd = Mapper(4, mapping with { Rights = rights }, 1, 2) with { VmFlags = new Dictionary<int, string> { [0] = flags } };

        var sharing = ScanAnalysis.Analyse(Machine([Anonymous, segment], [.. others, odd], [new HugetlbProbe(1, 0, [1, 2, 3, 4], reason is null ? 1 : 2)]), new ReportOptions())
            .Objects.Single(o => o.Number == 1).Sharing!;

        Assert.Empty(sharing.Remarks);
        Assert.Equal(reason is null ? 1 : 2, sharing.Tables);
        if (reason is null)
        {
            Assert.Empty(sharing.Outsiders);
            return;
        }

        var outsider = Assert.Single(sharing.Outsiders);
        Assert.Equal((4, 1), (outsider.Pid, outsider.OwnTables));
        Assert.Equal(reason, Assert.Single(outsider.Reasons).Reason);
        Assert.Contains(detail!, outsider.Reasons[0].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Pages_of_1_GiB_have_no_PMD_table_to_share()
    {
        const ulong GiB = 1UL << 30;
        var segment = new ObjectFacts(1, ObjectKind.Hugetlb, "/anon_hugepage (deleted)", "00:10", 9, GiB, "hugetlbfs");

        var report = ScanAnalysis.Analyse(Machine([Anonymous, segment], [Mapper(1, new MappingFacts(GiB, 3 * GiB, 0, ReadWrite, 1), 2, 1)]), new ReportOptions()).Objects.Single(o => o.Number == 1);

        Assert.StartsWith("PageSize", Assert.Single(report.Sharing!.Remarks), StringComparison.Ordinal);
        Assert.Equal((0L, 0L, Table), (report.Live.Pte, report.Live.Pmd, report.Live.Pud));
        Assert.Equal(["1 GiB"], report.PageSizes.Keys);
        Assert.Equal((0L, 0L, 0), (report.Sharing.TablesIfPrivate, report.Sharing.Tables, report.Sharing.SharingProcesses));
    }

    [Fact]
    public void An_Oracle_SGA_gets_its_settings_with_the_number_of_pages_computed()
    {
        const ulong GiB = 1UL << 30;
        var segment = new ObjectFacts(1, ObjectKind.SystemV, "/SYSV00000000 (deleted)", "00:01", 65536);
        var processes = Enumerable.Range(1, 50).Select(i => Mapper(i, new MappingFacts(GiB, 9 * GiB, 0, ReadWrite, 1), 0, 4096 + 8 + 1));

        var report = ScanAnalysis.Analyse(Machine([Anonymous, segment], processes), new ReportOptions());

        var advice = report.Advice.Single(a => a.Title.StartsWith("Oracle", StringComparison.Ordinal));
        Assert.Contains(advice.Lines, l => l.StartsWith("echo 4096 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages ", StringComparison.Ordinal));
        Assert.Contains("ALTER SYSTEM SET use_large_pages='ONLY' SCOPE=SPFILE;", advice.Lines);

        // Fifty times 4,096 PTE and 8 PMD tables go; 8 shared PMD tables stay.
        Assert.Equal(((50 * 4104) - 8) * Table, advice.SavedBytes);
    }

    [Fact]
    public void Objects_of_one_name_are_told_apart_and_asked_for_by_what_tells_them_apart()
    {
        const ulong GiB = 1UL << 30;
        ObjectFacts Memfd(int number, ulong inode) => new(number, ObjectKind.Memfd, "/memfd:cache (deleted)", "00:01", inode);
        var snapshot = Machine(
            [Anonymous, Memfd(1, 71), Memfd(2, 72), new ObjectFacts(3, ObjectKind.Memfd, "/memfd:other (deleted)", "00:01", 73)],
            [.. Enumerable.Range(1, 3).Select(i => Mapper(i, new MappingFacts(GiB, 2 * GiB, 0, ReadWrite, i), 0, 514))]);

        var report = ScanAnalysis.Analyse(snapshot, new ReportOptions());
        var one = ScanAnalysis.Analyse(snapshot, new ReportOptions { ObjectName = "00:01:72" });

        Assert.Equal(["/memfd:cache [00:01:71]", "/memfd:cache [00:01:72]", "/memfd:other"], report.Objects.Where(o => o.Number > 0).OrderBy(o => o.Number).Select(o => o.Label));
        Assert.Equal(2, Assert.Single(one.Objects).Number);
    }

    [Fact]
    public void The_pool_of_huge_pages_is_asked_for_all_services_advised_so_far()
    {
        const ulong GiB = 1UL << 30;
        var objects = new[] { Anonymous, new ObjectFacts(1, ObjectKind.Memfd, "/memfd:small (deleted)", "00:01", 1), new ObjectFacts(2, ObjectKind.Memfd, "/memfd:large (deleted)", "00:01", 2) };
        var snapshot = Machine(objects, [Mapper(1, new MappingFacts(GiB, 2 * GiB, 0, ReadWrite, 1), 0, 514) with { Name = "small" }, Mapper(2, new MappingFacts(GiB, 4 * GiB, 0, ReadWrite, 2), 0, 1540) with { Name = "large" }]);
        snapshot = snapshot with { Machine = snapshot.Machine with { Pools = [new HugePagePool(2 << 20, 100, 30, 10, 0)] } };

        var advice = ScanAnalysis.Analyse(snapshot, new ReportOptions()).Advice;

        // 70 in use and 10 reserved; then 1,536 for the large one, then 512 for the small one.
        Assert.Equal(["echo 1616 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "echo 2128 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"],
            advice.Where(a => a.Pages > 0).Select(a => a.Lines.Single(l => l.StartsWith("echo ", StringComparison.Ordinal) && l.Contains("/sys/", StringComparison.Ordinal) && !l.Contains("tmpfiles", StringComparison.Ordinal)).Split("   #")[0]));
        var thp = Assert.Single(advice, a => a.Title.StartsWith("Transparent", StringComparison.Ordinal));
        Assert.Equal("Transparent huge pages for /memfd:large, /memfd:small", thp.Title);
        Assert.Equal((1536 + 512) * Table, thp.SavedBytes);
    }

    [Fact]
    public void Asked_about_one_process_the_row_of_anonymous_memory_is_that_process_alone()
    {
        const ulong GiB = 1UL << 30;
        var snapshot = Machine([Anonymous], Enumerable.Range(1, 4).Select(i => Mapper(i, new MappingFacts(GiB, 2 * GiB, 0, MappingRights.Read | MappingRights.Write, 0), 0, 514)));

        var row = Assert.Single(ScanAnalysis.Analyse(snapshot, new ReportOptions { Pid = 3 }).Objects);

        Assert.Equal(("[anonymous] of 3", 1, 514 * Table), (row.Label, row.Processes, row.TableBytes));
    }

    [Theory]
    [InlineData("6.18.44-fc-v657", true, true)]
    [InlineData("6.14.0", true, true)]
    [InlineData("6.12.117+deb12-amd64", true, false)]
    [InlineData("6.7.0-rc1", true, false)]
    [InlineData("6.1.0-56-amd64", false, false)]
    [InlineData("4.19.0", false, false)]
    [InlineData("custom", true, true)]
    public void What_PageTables_counts_follows_from_the_kernels_version(string release, bool pud, bool root) =>
        Assert.Equal((pud, root), KernelCounters.Of(release));

    [Fact]
    public void Empty_tables_below_memory_without_rights_are_placed()
    {
        const ulong GiB = 1UL << 30;
        // 80 MiB of tables over 40 GiB that was given back and lost its rights, and a heap with 1,000 free windows.
        MappingFacts[] mappings = [new(GiB, GiB + (2002UL << 20), 0, MappingRights.Read | MappingRights.Write, 0), new(64 * GiB, 104 * GiB, 0, MappingRights.None, 0)];
        var process = new ProcessFacts(1, "runtime", 0, "/", (20_480 + 43) * Table, 0, 0, mappings, [new PopulatedRun(0, GiB, GiB + (2UL << 20), 0)]);

        var report = ScanAnalysis.Analyse(Machine([Anonymous], [process]), new ReportOptions());
        var row = Assert.Single(report.Objects);

        Assert.Equal((3 * Table, 20_520 * Table, 0L), (row.Live.Total, row.Empty, report.Machine.Unplaced));
        Assert.Equal((row.Empty, row.Empty), (row.EmptyLow, row.EmptyHigh)); // there is no other object
        Assert.Equal(process.TableBytes, report.Processes[0].Live + report.Processes[0].Empty);
    }

    [Fact]
    public void Bounds_of_empty_tables_enclose_the_guess_and_tables_of_devices_are_not_called_empty()
    {
        const ulong GiB = 1UL << 30;
        MappingFacts[] mappings =
        [
            new(GiB, GiB + (20UL << 20), 0, ReadWrite, 1), // 10 windows, 4 of them with entries
            new(GiB + (20UL << 20), GiB + (21UL << 20), 0, MappingRights.Read | MappingRights.Write, 0), // half a window
            new(GiB + (21UL << 20), GiB + (24UL << 20), 0, MappingRights.Read | MappingRights.Write, 2), // shares it, and has one more
            new(16 * GiB, 16 * GiB + (8UL << 20), 0, ReadWrite, 3), // 4 windows of a device, and its own PMD table
        ];
        ObjectFacts[] objects =
        [
            Anonymous, new(1, ObjectKind.Memfd, "/memfd:a (deleted)", "00:01", 1), new(2, ObjectKind.File, "/b", "08:01", 2), new(3, ObjectKind.Special, "/dev/gpu", "00:06", 3),
        ];
        ProcessFacts Process(int beyond) => new(1, "x", 0, "/", (4 + 2 + beyond) * Table, 0, 0, mappings, [new PopulatedRun(0, GiB, GiB + (8UL << 20), 0)]);
        (double Low, double Guess, double High)[] Bounds(int beyond)
        {
            var report = ScanAnalysis.Analyse(Machine(objects, [Process(beyond)]), new ReportOptions());
            return [.. Enumerable.Range(0, 3).Select(n => report.Objects.Single(o => o.Number == n)).Select(o => ((double)o.EmptyLow / Table, (double)o.Empty / Table, (double)o.EmptyHigh / Table)), (0, (double)report.Machine.Unplaced / Table, 0)];
        }

        // 8 places: 6 of the memfd's alone, 1 of the file's alone, 1 of two; 5 tables may be the device's.
        Assert.Equal([(0, 0, 1), (0, 0, 3), (0, 0, 2), (0, 3, 0)], Bounds(3));
        Assert.Equal([(0, 0, 1), (0, 2, 6), (0, 0, 2), (0, 5, 0)], Bounds(7));
        Assert.Equal([(0, 0, 1), (6, 6, 6), (1, 2, 2), (0, 5, 0)], Bounds(13));
        Assert.Equal([(0, 0, 1), (6, 6, 6), (1, 2, 2), (0, 9, 0)], Bounds(17)); // tables of something that came or went during the scan
    }

    [Fact]
    public void Three_views_of_one_object_in_one_process_are_three_sets_of_tables()
    {
        const ulong GiB = 1UL << 30;
        var heap = new ObjectFacts(1, ObjectKind.Memfd, "/memfd:java_heap (deleted)", "00:01", 7);
        MappingFacts[] mappings = [.. new ulong[] { 4, 8, 16 }.Select(t => new MappingFacts(t << 40, (t << 40) + GiB, 0, ReadWrite, 1))];
        var process = new ProcessFacts(1, "java", 0, "/", 3 * 514 * Table, 0, 0, mappings, [.. mappings.Select((m, i) => new PopulatedRun(i, m.Start, m.End, 0))]);

        var report = ScanAnalysis.Analyse(Machine([Anonymous, heap], [process]), new ReportOptions()).Objects.Single(o => o.Number == 1);

        Assert.Equal((3 * 514 * Table, 514 * Table, 2 * 514 * Table), (report.TableBytes, report.NeededOnce, report.Duplicate));
    }
}
