using Pando.Linux.Analysis;
using Pando.Linux.Native;
using Pando.Linux.Proc;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>Virtual machines, what fork costs, NUMA nodes, the line of 2 percent, kernels that share tables of PTEs.</summary>
[Collection(nameof(LiveLinux))]
public sealed class MachineColumnsTests : IDisposable
{
    private const long Table = 4096;
    private const ulong MiB = 1UL << 20;
    private const ulong GiB = 1UL << 30;
    private const MappingRights Private = MappingRights.Read | MappingRights.Write;

    private static readonly ObjectFacts[] Objects = [new(0, ObjectKind.Anonymous, "[anonymous]", "", 0), new(1, ObjectKind.Special, "anon_inode:kvm-vcpu:0", "00:10", 1038), new(2, ObjectKind.Special, "anon_inode:kvm-vcpu:1", "00:10", 1038)];

    private readonly string _root = Directory.CreateTempSubdirectory("pando-machine-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private static MachineFacts Machine => new("6.12.0", 4, 2, 24L << 30, 1L << 30, 8 << 20, false, [new HugePagePool(2 * MiB, 6144, 0, 0, 0)], new Dictionary<string, string>(), "madvise", "never", new Dictionary<string, string>(), HugetlbBytes: 12L << 30);

    private static MachineSnapshot Snapshot(MachineFacts machine, IReadOnlyList<ProcessFacts> processes, params CgroupFacts[] cgroups) =>
        new(DateTimeOffset.UnixEpoch, 1, true, machine, Objects, processes, cgroups, [], []);

    private static ProcessFacts Guest(int pid, string cgroup, ulong memory, int vcpus, ServiceFacts? service = null)
    {
        var mappings = new List<MappingFacts> { new(GiB, GiB + memory, 0, Private, 0) };
        mappings.AddRange(Enumerable.Range(0, vcpus).Select(i => new MappingFacts((64 * GiB) + ((ulong)i * 0x10000), (64 * GiB) + ((ulong)i * 0x10000) + 0x3000, 0, Private | MappingRights.Shared, 1 + (i % 2))));
        return new ProcessFacts(pid, "qemu-system-x86", 0, cgroup, 600 * Table, 0, 0, mappings, [new PopulatedRun(0, GiB, GiB + memory, 0)], Service: service, AnonymousBytes: (long)memory);
    }

    [Fact]
    public void A_virtual_machine_is_known_by_its_vCPUs_and_alone_in_its_cgroup_by_what_is_charged_there()
    {
        const string One = "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope";
        const string Two = "/machine.slice/machine-qemu\\x2d2\\x2ddb.scope";
        var report = ScanAnalysis.Analyse(Snapshot(Machine,
            [Guest(1, One + "/libvirt/emulator", GiB, 4, new ServiceFacts("/usr/bin/qemu-system-x86_64", "", "", ["-m", "size=2097152k"], 1, null, false)), Guest(2, Two, 4 * GiB, 2), new ProcessFacts(3, "sh", 0, "/", Table, 0, 0, [])],
            new CgroupFacts(One, 100, SecondaryTableBytes: 3 << 20), new CgroupFacts(Two, 100, SecondaryTableBytes: 9 << 20), new CgroupFacts("/machine.slice", 200, SecondaryTableBytes: 12 << 20)), new ReportOptions());

        Assert.Equal(
            [
                new VirtualMachineReport(2, "db", 2, 4L << 30, 600 * Table, 9 << 20, $"sec_pagetables of cgroup {Two}", 8 << 20),
                new VirtualMachineReport(1, "web", 4, 2L << 30, 600 * Table, 3 << 20, $"sec_pagetables of cgroup {One}", 4 << 20),
            ],
            report.VirtualMachines);
        Assert.Equal([(1, 3L << 20), (2, 9L << 20), (3, null)], report.Processes.OrderBy(p => p.Pid).Select(p => (p.Pid, p.SecondaryTableBytes)));
    }

    [Fact]
    public void A_machine_alone_has_the_kernels_counter_and_two_without_cgroups_of_their_own_are_not_told()
    {
        var one = VirtualMachines.Find(Snapshot(Machine, [Guest(1, "/", GiB, 1)]));
        var two = VirtualMachines.Find(Snapshot(Machine, [Guest(1, "/", GiB, 1), Guest(2, "/", GiB, 1)], new CgroupFacts("/", 1, SecondaryTableBytes: 8 << 20)));
        var old = VirtualMachines.Find(Snapshot(Machine with { SecondaryTableBytes = null }, [Guest(1, "/", GiB, 1)]));

        Assert.Equal(8 << 20, Assert.Single(one).SecondaryTableBytes);
        Assert.All(two, v => Assert.Equal((null, "2 machines share cgroup /"), (v.SecondaryTableBytes, v.Source)));
        Assert.Contains("Linux 6.0", Assert.Single(old).Source, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("4096", 4L << 30)]
    [InlineData("4G", 4L << 30)]
    [InlineData("size=4194304k,slots=2,maxmem=8G", 4L << 30)]
    [InlineData("512M", 512L << 20)]
    [InlineData("", null)]
    [InlineData("9999999999999T", null)]
    [InlineData("-1", null)]
    public void The_size_of_a_guest_is_read_from_QEMUs_arguments(string argument, long? bytes) => Assert.Equal(bytes, VirtualMachines.FromArguments(["-name", "x", "-m", argument]));

    [Fact]
    public void Fork_costs_private_tables_and_pages_and_not_shared_ones()
    {
        ObjectFacts[] objects = [Objects[0], new(1, ObjectKind.Memfd, "/memfd:a (deleted)", "00:01", 7)];
        var process = new ProcessFacts(1, "server", 0, "/", (512 + 256 + 4) * Table, 0, 0,
            [new MappingFacts(GiB, 2 * GiB, 0, Private, 0), new MappingFacts(4 * GiB, (4 * GiB) + (512 * MiB), 0, Private | MappingRights.Shared, 1), new MappingFacts(8 * GiB, 9 * GiB, 0, Private, 0)],
            [new PopulatedRun(0, GiB, 2 * GiB, 0), new PopulatedRun(1, 4 * GiB, (4 * GiB) + (512 * MiB), 0), new PopulatedRun(2, 8 * GiB, 9 * GiB, 1)], AnonymousBytes: 2L << 30);
        var snapshot = Snapshot(Machine with { Fork = new ForkRate(2000, 50) }, [process]) with { Objects = objects };

        var cost = Assert.Single(ScanAnalysis.Analyse(snapshot, new ReportOptions()).Processes).ForkMilliseconds;

        // 512 tables of small pages and 512 in reserve below huge ones; 262,144 small pages: the huge ones are an entry each.
        Assert.Equal(((1024 * 2000) + (262_144 * 50)) / 1e6, cost!.Value, 6);
        Assert.Null(Assert.Single(ScanAnalysis.Analyse(snapshot with { Machine = Machine }, new ReportOptions()).Processes).ForkMilliseconds);
    }

    [Fact]
    public void The_rate_of_fork_is_measured_and_no_child_is_left()
    {
        var rate = ForkMeter.Measure();

        Assert.NotNull(rate);
        Assert.InRange(rate.NanosecondsPerPage, 0, 100_000); // a page is some tens of nanoseconds; only nonsense is refused here
        Assert.InRange(rate.NanosecondsPerTable, 0, 10_000_000);
        Assert.DoesNotContain(Directory.EnumerateDirectories("/proc").Select(d => Path.Combine(d, "stat")).Where(File.Exists).Select(Read), s => s.Contains(") Z ", StringComparison.Ordinal) && s.Split(") Z ")[1].StartsWith($"{Environment.ProcessId} ", StringComparison.Ordinal));

        static string Read(string path)
        {
            try
            {
                return File.ReadAllText(path);
            }
            catch (IOException)
            {
                return "";
            }
        }
    }

    [Theory]
    [InlineData(100, 0.81, false)]
    [InlineData(245, 1.99, false)]
    [InlineData(246, 2.0, true)]
    [InlineData(2458, 20.0, true)]
    public void The_line_is_at_2_percent_of_the_memory_that_is_not_in_pools(long tablesMiB, double percent, bool above)
    {
        var machine = ScanAnalysis.Analyse(Snapshot(Machine with { PageTableBytes = tablesMiB << 20 }, []), new ReportOptions()).Machine;

        Assert.Equal(percent, Math.Round(machine.OrdinaryPercent, 2), 1);
        Assert.Equal(above, machine.OrdinaryPercent >= machine.WarningPercent);
    }

    [Fact]
    public void Tables_of_each_NUMA_node_are_those_of_the_nodes_own_meminfo()
    {
        foreach (var (node, tables) in new[] { (0, 5004), (1, 12), (10, 7) })
        {
            var directory = Directory.CreateDirectory(Path.Combine(_root, $"sys/devices/system/node/node{node}")).FullName;
            File.WriteAllText(Path.Combine(directory, "meminfo"), $"Node {node} MemTotal:       24684092 kB\nNode {node} PageTables:         {tables} kB\nNode {node} SecPageTables:         {node} kB\n");
        }

        Directory.CreateDirectory(Path.Combine(_root, "proc"));
        var machine = new MachineReader(new ScanOptions { Proc = Path.Combine(_root, "proc"), Sys = Path.Combine(_root, "sys") }).Read([]);

        Assert.Equal([new NodeTables(0, 5004 * 1024, 0), new NodeTables(1, 12 * 1024, 1024), new NodeTables(10, 7 * 1024, 10 * 1024)], machine.Nodes!);
    }

    [Theory]
    [InlineData("CONFIG_MSHARE", "mshare (CONFIG_MSHARE=y)")]
    [InlineData("CONFIG_PTSHARE", "ptshare (CONFIG_PTSHARE=y)")]
    [InlineData("CONFIG_PAGETABLE_SHARE", "pgtable_share (CONFIG_PAGETABLE_SHARE=y)")]
    public void A_kernel_that_is_built_to_share_tables_is_recognised_before_its_sums_are_believed(string option, string name)
    {
        var config = KernelConfig.Parse(System.Text.Encoding.ASCII.GetBytes($"CONFIG_HUGETLB_PAGE=y\n{option}=y\n"));
        var found = new TableSharingReader(new ScanOptions { Proc = _root }, new FileContents()).Read(config);

        var report = ScanAnalysis.Analyse(Snapshot(Machine with { TableSharing = found }, []), new ReportOptions());

        Assert.Equal([name], found);
        Assert.Equal(name, report.Machine.TableSharing);
        Assert.StartsWith("This kernel can share tables of PTEs between processes", report.Notes[0], StringComparison.Ordinal);
        Assert.Equal("yes", report.Machine.Support.Single(s => s.Name.StartsWith("sharing of PTE tables", StringComparison.Ordinal)).State);
    }

    [Fact]
    public void Without_a_configuration_file_systems_and_the_names_of_functions_tell()
    {
        TableSharingReader Reader() => new(new ScanOptions { Proc = _root }, new FileContents());
        var none = new Dictionary<string, string>();
        Assert.Empty(Reader().Read(none));

        File.WriteAllText(Path.Combine(_root, "kallsyms"), "0000000000000000 t page_fault_oops\n0000000000000000 T ptshare_install_vma\n");
        Assert.StartsWith("ptshare (functions ptshare_*", Assert.Single(Reader().Read(none)), StringComparison.Ordinal);

        File.WriteAllText(Path.Combine(_root, "filesystems"), "nodev\tsysfs\nnodev\tmsharefs\n");
        Assert.StartsWith("mshare (msharefs", Assert.Single(Reader().Read(none)), StringComparison.Ordinal);
    }

    [Fact]
    public void This_machines_nodes_add_up_to_its_page_tables()
    {
        // Read a moment apart from meminfo, in which others may make and free tables: some looks come to the same.
        long difference = 0;
        for (var look = 0; look < 1000; look++)
        {
            var machine = new MachineReader(new ScanOptions()).Read([]);
            if (machine.Nodes is not { } nodes)
            {
                Assert.Skip("This kernel does not tell page tables by node.");
                return;
            }

            difference = Math.Abs(nodes.Sum(n => n.TableBytes) - machine.PageTableBytes);
            if (difference <= 1 << 20)
            {
                return;
            }

            Thread.Sleep(10);
        }

        Assert.Fail($"The nodes' page tables differ from the machine's by {difference} bytes.");
    }
}
