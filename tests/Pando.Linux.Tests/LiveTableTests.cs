using Pando.Linux.Analysis;
using Pando.Linux.Proc;
using Pando.Linux.Report;

namespace Pando.Linux.Tests;

/// <summary>Real processes with 4 KiB pages, against the kernel's counters.</summary>
[Collection(nameof(LiveLinux))]
public class LiveTableTests
{
    private const long Table = 4096;
    private const ulong GiB = 1UL << 30;
    private const string TwoGiB = "size=2147483648";
    private const string Stride = "value=2097152"; // one page in each 2 MiB window: a whole PTE table for 4 KiB of data

    [Fact]
    public void Duplicates_of_an_aligned_memfd_are_exact()
    {
        using var group = TestProcessGroup.Start(5, $"memfd,{TwoGiB}", "fork,value=4", $"map,at=400000000000,{TwoGiB},rights=rw", $"touch,at=400000000000,{TwoGiB},{Stride}");

        var report = LiveLinux.TestObjectOf(LiveLinux.Scan().Report);

        Assert.Equal(5, report.Processes);
        Assert.Equal(2L << 30, report.MappedBytes);
        Assert.Equal(["4 KiB"], report.PageSizes.Keys);
        Assert.Equal(new TablesByLevel(5 * 1024 * Table, 5 * 2 * Table, 5 * Table), report.Live);
        Assert.Equal(1027 * Table, report.NeededOnce);
        Assert.Equal(4 * 1027 * Table, report.Duplicate);
        Assert.Equal(0, report.Empty);
        Assert.Equal(0, report.ErrorBytes);
    }

    [Fact]
    public void The_sum_over_objects_is_the_growth_of_the_kernels_PageTables_within_2_percent()
    {
        // Other programs come and go meanwhile: what changed in the VmPTE of processes that are not ours is taken
        // off the machine's counter. Processes too short to be seen are why there are several attempts.
        var seen = new List<string>();
        for (var attempt = 0; attempt < 30; attempt++)
        {
            LiveLinux.WaitUntilTablesAreFreed();
            var (before, _) = LiveLinux.Scan();
            using var group = TestProcessGroup.Start(61, $"memfd,{TwoGiB}", "fork,value=60", $"map,at=400000000000,{TwoGiB},rights=rw", $"touch,at=400000000000,{TwoGiB},{Stride}");
            var (after, report) = LiveLinux.Scan();
            var ours = group.Pids.ToHashSet();
            var others = after.Processes.Where(p => !ours.Contains(p.Pid)).Sum(p => p.TableBytes) - before.Processes.Sum(p => p.TableBytes);
            var growth = after.Machine.PageTableBytes - before.Machine.PageTableBytes - others;
            var objects = report.Processes.Where(p => ours.Contains(p.Pid)).Sum(p => p.Live + p.Empty) + (ours.Count * Table); // + the roots
            var difference = Math.Abs(growth - objects) / (double)growth;
            seen.Add($"PageTables +{growth}, objects {objects}: {difference:P2}");
            if (difference < 0.02)
            {
                Assert.Equal(61 * 1027 * Table, LiveLinux.TestObjectOf(report).TableBytes);
                return;
            }
        }

        Assert.Fail(string.Join("; ", seen));
    }

    [Fact]
    public void The_charges_of_a_process_add_up_to_its_VmPTE()
    {
        using var group = TestProcessGroup.Start(3, $"memfd,{TwoGiB}", "fork,value=2", $"map,at=400000000000,{TwoGiB},rights=rw", $"touch,at=400000000000,{TwoGiB},{Stride}");

        var (_, report) = LiveLinux.Scan();

        foreach (var process in report.Processes.Where(p => group.Pids.Contains(p.Pid)))
        {
            Assert.Equal(process.TableBytes, process.Live + process.Empty);
            Assert.InRange(process.Live, 1027 * Table, process.TableBytes);
        }
    }

    [Fact]
    public void Tables_left_empty_by_DONTNEED_are_counted_exactly()
    {
        // In pieces of 1 MiB, since kernels from 6.14 on free the table when a whole 2 MiB window is given back.
        string[] steps = [$"memfd,{TwoGiB}", $"map,at=400000000000,{TwoGiB},rights=rw", $"touch,at=400000000000,{TwoGiB},{Stride}"];
        long emptyBefore;
        using (var untouched = TestProcessGroup.Start(1, steps))
        {
            emptyBefore = LiveLinux.Scan().Report.Processes.Single(p => p.Pid == untouched.Pids[0]).Empty;
        }

        using var group = TestProcessGroup.Start(1, [.. steps, "dontneed,at=400000000000,size=629145600,value=1048576"]);
        var (_, report) = LiveLinux.Scan();
        var tables = LiveLinux.TestObjectOf(report);

        // The runtime of the test process may have emptied a table or two of its own heap meanwhile.
        Assert.InRange(emptyBefore, 0, 7 * Table);
        Assert.InRange(report.Processes.Single(p => p.Pid == group.Pids[0]).Empty, 300 * Table, 307 * Table);
        Assert.InRange(tables.Empty, 300 * Table, 307 * Table);
        Assert.InRange(300 * Table, tables.EmptyLow, tables.EmptyHigh);
        Assert.Equal(new TablesByLevel(724 * Table, 2 * Table, Table), tables.Live);
        Assert.Equal(0, tables.Duplicate);
    }

    [Fact]
    public void Empty_tables_below_memory_that_lost_its_rights_are_placed()
    {
        const string FourGiB = "size=4294967296";
        string[] steps = [$"anonymous,at=400000000000,{FourGiB}", $"write,at=400000000000,{FourGiB},{Stride}", $"dontneed,at=400000000000,{FourGiB},value=1048576", $"protect,at=400000000000,{FourGiB},rights=none"];
        using var group = TestProcessGroup.Start(1, steps);
        using var control = TestProcessGroup.Start(1, steps[..2]);

        var (snapshot, report) = LiveLinux.Scan();
        var (ours, full) = (report.Processes.Single(p => p.Pid == group.Pids[0]), report.Processes.Single(p => p.Pid == control.Pids[0]));
        var row = Assert.Single(ScanAnalysis.Analyse(snapshot, new ReportOptions { Pid = group.Pids[0] }).Objects, o => o.Number == 0);

        // VmPTE has not changed: the 2,048 PTE tables, 4 PMD tables and the PUD table are all there. The runtime of the test
        // process may have emptied a table or two of its own heap meanwhile.
        Assert.InRange(ours.TableBytes - full.TableBytes, -8 * Table, 8 * Table);
        Assert.Equal(ours.TableBytes, ours.Live + ours.Empty);
        Assert.Equal(full.TableBytes, full.Live + full.Empty);
        Assert.InRange(ours.Empty - full.Empty, (2053 - 8) * Table, (2053 + 8) * Table);
        Assert.InRange(row.Empty, row.EmptyLow, row.EmptyHigh);
        Assert.InRange(row.Empty, (2053 - 8) * Table, (2053 + 8) * Table);
    }

    [Fact]
    public void Guard_pages_are_entries_and_their_tables_are_not_empty()
    {
        const string Small = "size=67108864"; // 32 windows
        TestProcessGroup group;
        try
        {
            group = TestProcessGroup.Start(1, $"anonymous,at=400000000000,{Small}", $"guard,at=400000000000,{Small}");
        }
        catch (InvalidOperationException)
        {
            Assert.Skip("The kernel has no MADV_GUARD_INSTALL (Linux 6.13).");
            throw;
        }

        using (group)
        {
            var (snapshot, report) = LiveLinux.Scan();
            var process = snapshot.Processes.Single(p => p.Pid == group.Pids[0]);
            var windows = process.Populated!.Where(r => process.Mappings![r.Mapping].Start == 0x400000000000).Sum(r => (long)(r.End - r.Start) >> 21);

            Assert.Equal(32, windows);
            Assert.InRange(report.Processes.Single(p => p.Pid == process.Pid).Empty, 0, 7 * Table);
        }
    }

    [Fact]
    public void A_misaligned_process_has_its_own_count_and_the_rest_is_duplicate()
    {
        // Half a MiB past a 2 MiB border: 1,025 PTE tables and 3 PMD tables instead of 1,024 and 2.
        using var group = TestProcessGroup.Start(2, $"memfd,{TwoGiB}", "fork,value=1", $"map,at=400000000000,shift=524288,{TwoGiB},rights=rw", $"touch,at=400000000000,shift=524288,{TwoGiB},value=524288");

        var report = LiveLinux.TestObjectOf(LiveLinux.Scan().Report);

        Assert.Equal(new TablesByLevel((1024 + 1025) * Table, (2 + 3) * Table, 2 * Table), report.Live);
        Assert.Equal((1025 + 3 + 1) * Table, report.NeededOnce);
        Assert.Equal((1024 + 2 + 1) * Table, report.Duplicate);
    }

    [Fact]
    public void A_process_that_mprotected_the_middle_still_shares_the_object_and_its_parts_add_up()
    {
        using var group = TestProcessGroup.Start(2, $"memfd,{TwoGiB}", "fork,value=1", $"map,at=400000000000,{TwoGiB},rights=rw", $"touch,at=400000000000,{TwoGiB},{Stride}", "1:protect,at=400010000000,size=2097152,rights=r");

        var report = LiveLinux.TestObjectOf(LiveLinux.Scan().Report);
        var pando = report.Cures.Single(c => c.Id == "pando-512g");

        Assert.Equal(2 * 1027 * Table, report.Live.Total);
        Assert.Equal(1027 * Table, report.Duplicate);

        // The census: 1,024 PTE tables once; both PMD tables once, and one more for the GiB that was cut; the PUD
        // tables are one of the whole process's and one that the cut keeps apart.
        Assert.Equal((1024 + 2 + 1 + 2) * Table, pando.BytesAfter);
    }

    [Fact]
    public void Plain_pagemap_finds_what_PAGEMAP_SCAN_finds()
    {
        using var group = TestProcessGroup.Start(1, $"memfd,{TwoGiB}", $"map,at=400000000000,{TwoGiB},rights=rw", $"touch,at=400000000000,{TwoGiB},value=6291456");

        var (scan, _) = LiveLinux.Scan();
        var (plain, plainReport) = LiveLinux.Scan(plain: true);
        var pid = group.Pids[0];

        Assert.Equal(scan.Processes.Single(p => p.Pid == pid).Populated!, plain.Processes.Single(p => p.Pid == pid).Populated!);
        Assert.Equal(342 * Table, LiveLinux.TestObjectOf(plainReport).Live.Pte);
        Assert.Contains(plain.Notes, n => n.Contains("PAGEMAP_SCAN", StringComparison.Ordinal));
    }

    [Fact]
    public void Transparent_huge_pages_of_private_memory_keep_their_tables()
    {
        if (File.ReadAllText("/sys/kernel/mm/transparent_hugepage/enabled").Contains("[never]", StringComparison.Ordinal))
        {
            Assert.Skip("Transparent huge pages are switched off.");
        }

        using var group = TestProcessGroup.Start(1, "anonymous,at=400000000000,size=268435456", "hugepage,at=400000000000,size=268435456", $"write,at=400000000000,size=268435456,{Stride}");
        var (snapshot, report) = LiveLinux.Scan();
        var process = snapshot.Processes.Single(p => p.Pid == group.Pids[0]);
        var huge = process.Populated!.Where(r => r.LeafLevel == 1).Sum(r => (long)(r.End - r.Start));
        if (huge < 256 << 20)
        {
            Assert.Skip($"The machine gave {huge >> 20} of 256 MiB in huge pages.");
        }

        var tables = report.Processes.Single(p => p.Pid == group.Pids[0]);

        // The 128 tables kept under the huge pages count as live. The runtime of the test process may have emptied a
        // table or two of its own heap meanwhile.
        Assert.Equal(tables.TableBytes, tables.Live + tables.Empty);
        Assert.True(tables.Live > 128 * Table);
        Assert.True(tables.Empty < 8 * Table, $"{tables.Empty} bytes of tables are called empty.");
    }

    [Fact]
    public void A_sample_of_like_processes_gives_what_reading_all_gives_and_says_so()
    {
        const string Size = "size=134217728";
        using var group = TestProcessGroup.Start(600, $"memfd,{Size}", "fork,value=599", $"map,at=400000000000,{Size},rights=rw", $"touch,at=400000000000,{Size},{Stride}");

        var (sampled, sampledReport) = LiveLinux.Scan(exact: false);
        var exact = LiveLinux.TestObjectOf(LiveLinux.Scan().Report);
        var carried = LiveLinux.TestObjectOf(sampledReport);

        Assert.InRange(sampled.Processes.Count(p => group.Pids.Contains(p.Pid) && p.Populated is not null), 10, 590);
        Assert.InRange(carried.ErrorBytes, 1, carried.TableBytes);
        Assert.InRange(Math.Abs(carried.TableBytes - exact.TableBytes), 0, carried.ErrorBytes);
        Assert.InRange(Math.Abs(carried.Duplicate - exact.Duplicate), 0, carried.ErrorBytes);
        Assert.Equal(exact.NeededOnce, carried.NeededOnce);
    }

    [Fact]
    public void Processes_that_touched_different_amounts_are_no_sample_of_each_other()
    {
        // Process i gives back i times 32 windows: the same mappings, tables between 1,027 and 35.
        var steps = new List<string> { $"memfd,{TwoGiB}", "fork,value=29", $"map,at=400000000000,{TwoGiB},rights=rw" };
        steps.AddRange(Enumerable.Range(0, 30).Select(i => $"{i}:touch,at=400000000000,size={2147483648 - ((long)i * 64 << 20)},{Stride}"));
        using var group = TestProcessGroup.Start(30, [.. steps]);

        var carried = LiveLinux.TestObjectOf(LiveLinux.Scan(exact: false).Report);
        var exact = LiveLinux.TestObjectOf(LiveLinux.Scan().Report);

        Assert.InRange(Math.Abs(carried.Live.Total - exact.Live.Total), 0, carried.ErrorBytes);
        Assert.InRange(carried.ErrorBytes, 0, carried.TableBytes / 2);
    }

    [Fact]
    public void Workers_that_each_have_their_own_part_of_an_object_have_no_duplicates_of_it()
    {
        var steps = new List<string> { "memfd,size=838860800", "fork,value=7", "map,at=400000000000,size=838860800,rights=rw" };
        steps.AddRange(Enumerable.Range(0, 8).Select(i => $"{i}:touch,at={0x400000000000 + (i * 104857600L):x},size=104857600,{Stride}"));
        using var group = TestProcessGroup.Start(8, [.. steps]);

        var carried = LiveLinux.TestObjectOf(LiveLinux.Scan(exact: false).Report);
        var exact = LiveLinux.TestObjectOf(LiveLinux.Scan().Report);

        // 400 tables of PTEs, each needed; eight PMD tables of one GiB are one that is needed and seven duplicates, and PUD tables likewise.
        Assert.Equal((400 + 8) * Table, exact.Live.Pte + exact.Live.Pmd);
        Assert.InRange(exact.Duplicate, 7 * Table, 14 * Table);
        Assert.InRange(Math.Abs(carried.Duplicate - exact.Duplicate), 0, carried.ErrorBytes);
        Assert.InRange(Math.Abs(carried.NeededOnce - exact.NeededOnce), 0, carried.ErrorBytes);
    }

    [Fact]
    public void A_budget_of_nothing_still_gives_the_table_and_says_what_was_not_read()
    {
        var snapshot = MachineScanner.Scan(new ScanOptions { Budget = TimeSpan.FromTicks(1) });
        var report = ScanAnalysis.Analyse(snapshot, new ReportOptions());

        Assert.Equal(0, report.Machine.ProcessesRead);
        Assert.False(report.Exact);
        Assert.True(report.Machine.SumVmPteBytes > 0);
        Assert.Equal(report.Machine.SumVmPteBytes, report.Machine.Unplaced);
        Assert.InRange(report.Machine.ErrorBytes, report.Machine.Unplaced, long.MaxValue);
        Assert.Contains(report.Notes, n => n.Contains("time budget ran out", StringComparison.Ordinal));
    }

    [Fact]
    public void At_another_number_of_processes_private_tables_grow_and_shared_ones_do_not()
    {
        using var group = TestProcessGroup.Start(4, $"memfd,{TwoGiB}", "fork,value=3", $"map,at=400000000000,{TwoGiB},rights=rw", $"touch,at=400000000000,{TwoGiB},{Stride}");

        var cures = LiveLinux.TestObjectOf(LiveLinux.Scan(at: 5000).Report).Cures;

        Assert.All(cures.Where(c => c.AtBytesNow is not null), c => Assert.Equal(5000 * 1027 * Table, c.AtBytesNow));
        Assert.Equal((1024 + (5000 * 3)) * Table, cures.Single(c => c.Id == "pte-shared").AtBytesAfter);
        Assert.Equal(5000 * 3 * Table, cures.Single(c => c.Id == "hugetlb-2m").AtBytesAfter);
        Assert.Equal((2 + 5000) * Table, cures.Single(c => c.Id == "hugetlb-2m-shared").AtBytesAfter);
        Assert.Equal(5000 * Table, cures.Single(c => c.Id == "hugetlb-1g").AtBytesAfter);
        Assert.Equal(5000 * 3 * Table, cures.Single(c => c.Id == "shmem-thp").AtBytesAfter);
        Assert.NotNull(cures.Single(c => c.Id == "dax-pmd-shared").WhyNot);
    }

    [Fact]
    public void Views_of_one_object_in_one_process_are_duplicates_and_explain_names_them()
    {
        string View(string at, int offset = 0) => $"map,at={at},size=1073741824,rights=rw,value={offset}";
        string Touch(string at) => $"touch,at={at},size=1073741824,{Stride}";
        using var group = TestProcessGroup.Start(1, "memfd,size=2147483648", View("400000000000"), View("480000000000"), View("500000000000"), View("580000000000", 1073741824),
            Touch("400000000000"), Touch("480000000000"), Touch("500000000000"), Touch("580000000000"));

        var report = LiveLinux.TestObjectOf(LiveLinux.Scan().Report);
        var range = RangeReader.Explain(group.Pids[0], 0x480000200000, new ScanOptions());

        Assert.Equal(4 * 514 * Table, report.Live.Total);
        Assert.Equal((1024 + 2 + 1) * Table, report.NeededOnce);
        Assert.Equal([0x400000200000UL, 0x500000200000, null], range.OtherMappings.Select(m => m.SameAt));
        Assert.Equal((3, 1), (range.OtherMappingCount, range.Mappers));
        Assert.Equal([(0, 2), (0, 2), (0, 2)], range.Levels.Select(l => (l.CouldShareWith, l.CouldShareHere)));
        Assert.All(range.Levels, l => Assert.Null(l.WhyNot));
    }

    [Fact]
    public void Explain_names_mapping_object_and_sharers_and_refuses_what_is_not_mapped()
    {
        using var group = TestProcessGroup.Start(3, $"memfd,{TwoGiB}", "fork,value=2", $"map,at=400000000000,{TwoGiB},rights=rw", $"touch,at=400000000000,{TwoGiB},{Stride}");

        var range = RangeReader.Explain(group.Pids[1], 0x400000200000, new ScanOptions());

        Assert.Equal((0x400000000000UL, 0x400000000000 + (2 * GiB), "rw-s", 0x200000L, 3), (range.Start, range.End, range.Rights, range.ObjectOffset, range.Mappers));
        Assert.Equal("present, 4 KiB leaf", range.Entry);
        Assert.Equal([2, 2, 2], range.Levels.Select(l => l.CouldShareWith));
        var e = Assert.Throws<ReportException>(() => RangeReader.Explain(group.Pids[1], 0x300000000000, new ScanOptions()));
        Assert.Contains("Nothing is mapped at 0x300000000000", e.Message, StringComparison.Ordinal);
        e = Assert.Throws<ReportException>(() => RangeReader.Explain(0x3fffffff, 0x1000, new ScanOptions()));
        Assert.Contains("No process 1073741823", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Processes_that_end_during_the_scan_do_no_harm()
    {
        using var stop = new CancellationTokenSource();
        var churn = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                using var process = System.Diagnostics.Process.Start("/bin/true");
                process.WaitForExit();
            }
        }, TestContext.Current.CancellationToken);
        for (var i = 0; i < 20; i++)
        {
            var (snapshot, _) = LiveLinux.Scan();
            Assert.NotEmpty(snapshot.Processes);
        }

        await stop.CancelAsync();
        await churn;
    }
}
