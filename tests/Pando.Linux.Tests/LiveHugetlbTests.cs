using Pando.Linux.Report;

namespace Pando.Linux.Tests;

/// <summary>Real hugetlb mappings: sharing of PMD tables, counted through kpagecount, who is outside and why.</summary>
[Collection(nameof(LiveLinux))]
public class LiveHugetlbTests
{
    private const long Table = 4096;
    private const string TwoGiB = "size=2147483648";
    private const string Touch = $"touch,at=400000000000,{TwoGiB},value=2097152";

    private static readonly string[] FourAligned = [$"hugetlb,{TwoGiB}", "fork,value=3", $"map,at=400000000000,{TwoGiB},rights=rw", Touch];

    private static (ObjectReport Object, HugetlbSharing Sharing) Scan(int count, params string[] steps)
    {
        using var group = TestProcessGroup.Start(count, steps);
        var report = LiveLinux.TestObjectOf(LiveLinux.Scan().Report);
        Assert.Equal(["2 MiB"], report.PageSizes.Keys);
        Assert.NotNull(report.Sharing);
        Assert.True(report.Sharing.Measured);
        return (report, report.Sharing);
    }

    private static void SkipWithoutSharing()
    {
        var config = Proc.KernelConfig.Read("/proc", File.ReadAllText("/proc/sys/kernel/osrelease").Trim());
        if (config.GetValueOrDefault("CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING") != "y")
        {
            Assert.Skip("This kernel does not say that it shares hugetlb PMD tables (CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING).");
        }
    }

    [Fact]
    public void Four_processes_at_the_same_address_share_one_table_for_each_GiB()
    {
        SkipWithoutSharing();
        using var pages = LiveLinux.ReserveHugePages(1024);

        var (report, sharing) = Scan(4, FourAligned);

        Assert.Equal((8L, 2L, 4), (sharing.TablesIfPrivate, sharing.Tables, sharing.SharingProcesses));
        Assert.Empty(sharing.Outsiders);
        Assert.Equal(2 * Table, report.Live.Pmd);
        Assert.Equal(6 * Table, report.SharedSaved);
        Assert.Equal(0, report.Live.Pte);
    }

    [Fact]
    public void Addresses_that_differ_by_whole_GiBs_share_too()
    {
        SkipWithoutSharing();
        using var pages = LiveLinux.ReserveHugePages(1024);

        var (_, sharing) = Scan(3, $"hugetlb,{TwoGiB}", "fork,value=2", $"map,at=400000000000,shift=4294967296,{TwoGiB},rights=rw", $"touch,at=400000000000,shift=4294967296,{TwoGiB},value=2097152");

        Assert.Equal((6L, 2L, 3), (sharing.TablesIfPrivate, sharing.Tables, sharing.SharingProcesses));
    }

    [Fact]
    public void Addresses_that_differ_by_2_MiB_share_nothing_and_the_reason_has_the_numbers()
    {
        SkipWithoutSharing();
        using var pages = LiveLinux.ReserveHugePages(1024);

        var (_, sharing) = Scan(3, $"hugetlb,{TwoGiB}", "fork,value=2", $"map,at=400000000000,shift=2097152,{TwoGiB},rights=rw", $"touch,at=400000000000,shift=2097152,{TwoGiB},value=2097152");

        Assert.Equal(0, sharing.SharingProcesses);
        Assert.Equal(sharing.TablesIfPrivate, sharing.Tables);
        Assert.Equal(3, sharing.Outsiders.Count);
        var reasons = sharing.Outsiders.SelectMany(o => o.Reasons).ToList();
        Assert.Contains(reasons, r => r.Reason == ShareRefusal.AddressNotCongruent && r.Detail.Contains("MiB past a GiB border", StringComparison.Ordinal));
        Assert.Contains(reasons, r => r.Reason == ShareRefusal.SpanNotCovered && r.Detail.Contains("of the 1024 MiB", StringComparison.Ordinal));
    }

    [Fact]
    public void A_process_that_mprotected_the_middle_is_outside_for_that_GiB_alone()
    {
        SkipWithoutSharing();
        using var pages = LiveLinux.ReserveHugePages(1024);

        var (_, sharing) = Scan(4, [.. FourAligned, "2:protect,at=400010000000,size=2097152,rights=r", "2:touch,at=400000000000,size=1073741824,value=2097152"]);

        Assert.Equal((8L, 3L, 4), (sharing.TablesIfPrivate, sharing.Tables, sharing.SharingProcesses));
        var outsider = Assert.Single(sharing.Outsiders);
        Assert.Equal(1, outsider.OwnTables);
        Assert.All(outsider.Reasons, r => Assert.Equal(ShareRefusal.SpanNotCovered, r.Reason));
    }

    [Fact]
    public void Different_rights_keep_processes_apart()
    {
        SkipWithoutSharing();
        using var pages = LiveLinux.ReserveHugePages(1024);

        var (_, sharing) = Scan(4, $"hugetlb,{TwoGiB}", "fork,value=3", $"0:map,at=400000000000,{TwoGiB},rights=rw", $"1:map,at=400000000000,{TwoGiB},rights=rw", $"2:map,at=400000000000,{TwoGiB},rights=rw", $"3:map,at=400000000000,{TwoGiB},rights=r", Touch);

        Assert.Equal((8L, 4L, 3), (sharing.TablesIfPrivate, sharing.Tables, sharing.SharingProcesses));
        var outsider = Assert.Single(sharing.Outsiders);
        Assert.Equal([ShareRefusal.RightsDiffer], outsider.Reasons.Select(r => r.Reason));
        Assert.Contains("is r--s, the others' is rw-s", outsider.Reasons[0].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_opened_for_reading_alone_make_a_second_group_and_the_reason_is_named()
    {
        // All four map for reading; two of them could not make it writable (VM_MAYWRITE).
        SkipWithoutSharing();
        using var pages = LiveLinux.ReserveHugePages(512);
        using var mount = TestMount.Make("hugetlbfs", "none", "pagesize=2M");
        var path = Path.Combine(mount.Path, LiveLinux.TestName);
        using (var file = File.Create(path))
        {
            file.SetLength(1 << 30);
        }

        const string OneGiB = "size=1073741824";
        using var group = TestProcessGroup.Start(4, "fork,value=3", $"0:file,path={path}", $"1:file,path={path}", $"2:readfile,path={path}", $"3:readfile,path={path}",
            $"map,at=400000000000,{OneGiB},rights=r", $"touch,at=400000000000,{OneGiB},value=2097152");

        var report = Assert.Single(LiveLinux.Scan().Report.Objects, o => o.Name == path);
        var sharing = report.Sharing!;

        Assert.True(sharing.Measured);
        Assert.Empty(sharing.Remarks); // kpagecount says the same
        Assert.Equal((4L, 2L, 4), (sharing.TablesIfPrivate, sharing.Tables, sharing.SharingProcesses));
        Assert.Equal(2 * Table, report.Live.Pmd);
        Assert.Equal(2, sharing.Outsiders.Count);
        Assert.All(sharing.Outsiders, o => Assert.Equal((0, 1), (o.OwnTables, o.ApartTables)));
        Assert.All(sharing.Outsiders.SelectMany(o => o.Reasons), r => Assert.Equal(ShareRefusal.FlagsDiffer, r.Reason));
        Assert.All(sharing.Outsiders.SelectMany(o => o.Reasons), r => Assert.Contains("opened for reading alone", r.Detail, StringComparison.Ordinal));
    }

    [Fact]
    public void Private_writers_of_a_file_of_huge_pages_have_a_table_each_and_all_are_counted()
    {
        using var pages = LiveLinux.ReserveHugePages(64);
        using var group = TestProcessGroup.Start(40, "hugetlb,size=2097152", "fork,value=39", "private,at=400000000000,size=2097152,rights=rw", "write,at=400000000000,size=2097152,value=2097152");

        var (snapshot, scanned) = LiveLinux.Scan(exact: false);
        var report = LiveLinux.TestObjectOf(scanned);

        Assert.Equal((40L, 40L, 0), (report.Sharing!.TablesIfPrivate, report.Sharing.Tables, report.Sharing.SharingProcesses));
        Assert.Equal((40, 40), (report.Sharing.Processes, report.Sharing.ProcessesCounted));
        Assert.Equal(40 * Table, report.Live.Pmd);
        Assert.All(snapshot.Processes.Where(p => group.Pids.Contains(p.Pid)), p => Assert.True(p.Populated is not null || p.HugeRuns is not null));
    }

    [Fact]
    public void Flags_that_changed_after_the_first_touch_are_told_from_sharing_that_goes_on()
    {
        SkipWithoutSharing();
        using var pages = LiveLinux.ReserveHugePages(1024);

        var (_, sharing) = Scan(4, [.. FourAligned, $"3:dontdump,at=400000000000,{TwoGiB}"]);

        Assert.Equal(2L, sharing.Tables);
        Assert.Contains(sharing.Remarks, r => r.Contains("would be refused for a new fault", StringComparison.Ordinal));
        Assert.Contains(sharing.Outsiders.SelectMany(o => o.Reasons), r => r.Reason == ShareRefusal.FlagsDiffer && r.Detail.Contains("dd", StringComparison.Ordinal));
    }

    [Fact]
    public void A_segment_smaller_than_a_GiB_is_never_shared()
    {
        SkipWithoutSharing();
        using var pages = LiveLinux.ReserveHugePages(256);

        var (report, sharing) = Scan(3, "hugetlb,size=536870912", "fork,value=2", "map,at=400000000000,size=536870912,rights=rw", "touch,at=400000000000,size=536870912,value=2097152");

        Assert.Equal((3L, 3L, 0), (sharing.TablesIfPrivate, sharing.Tables, sharing.SharingProcesses));
        Assert.All(sharing.Outsiders.SelectMany(o => o.Reasons), r => Assert.Contains("covers 512 of the 1024 MiB", r.Detail, StringComparison.Ordinal));
        Assert.Equal(0, report.SharedSaved);
    }

    [Fact]
    public void What_the_scan_counts_is_what_the_kernels_counters_say()
    {
        SkipWithoutSharing();
        using var pages = LiveLinux.ReserveHugePages(1024);
        using var group = TestProcessGroup.Start(4, FourAligned);

        var (_, report) = LiveLinux.Scan();

        // VmPTE counts a shared table for each sharer (0.2 of the observations): what the objects hold, plus what is
        // counted twice, is the sum of VmPTE.
        var ours = report.Processes.Where(p => group.Pids.Contains(p.Pid)).ToList();
        Assert.All(ours, p => Assert.Equal(p.TableBytes, p.Live + p.Empty));
        Assert.Equal(6 * Table, LiveLinux.TestObjectOf(report).SharedSaved);
        Assert.Equal(report.Objects.Sum(o => o.SharedSaved), report.Machine.SharedCountedTwice); // others may share, too
    }
}
