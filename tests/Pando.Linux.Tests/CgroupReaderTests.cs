using System.Text;
using Pando.Linux.Analysis;
using Pando.Linux.Proc;
using Pando.Linux.Snapshot;
using Pando.Tests.Shared;

namespace Pando.Linux.Tests;

/// <summary>Cgroups in every layout that Linux has: v2, v1, both, in containers that see their own part.</summary>
public sealed class CgroupReaderTests : IDisposable
{
    private const string Id = "4f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff0";
    private readonly string _root = Directory.CreateTempSubdirectory("pando-cgroups-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private void File(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_root, path))!);
        System.IO.File.WriteAllText(Path.Combine(_root, path), text);
    }

    private void Mounts(params (string Root, string Point, string Type, string Options)[] mounts) =>
        File("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + string.Concat(mounts.Select((m, i) => $"{30 + i} 22 0:{20 + i} {m.Root} {Path.Combine(_root, m.Point).Replace(" ", "\\040", StringComparison.Ordinal)} rw,nosuid shared:{i} - {m.Type} {m.Type} {m.Options}\n")));

    private (Dictionary<string, CgroupFacts> Facts, List<string> Notes) Read(params string[] cgroupFiles)
    {
        var notes = new List<string>();
        var processes = cgroupFiles.Select((text, i) =>
        {
            var (path, others) = CgroupReader.PathsOf(Encoding.UTF8.GetBytes(text));
            return new ProcessFacts(i + 1, "p", 0, path, 4096, 0, 0, [], OtherCgroups: others);
        });
        var options = new ScanOptions { Proc = Path.Combine(_root, "proc"), Root = _root };
        return (new CgroupReader(options, [2UL << 20, 1UL << 30]).Read(processes, null, notes).ToDictionary(f => f.Path), notes);
    }

    [Fact]
    public void On_v2_the_cgroup_and_all_above_it_are_read_and_the_tightest_limit_counts()
    {
        Mounts(("/", "cg", "cgroup2", "rw,nsdelegate"));
        File("cg/memory.stat", "anon 1\npagetables 40960\nsec_pagetables 8192\n");
        File("cg/a/memory.stat", "pagetables 20480\nsec_pagetables 0\n");
        File("cg/a/memory.max", "1073741824\n");
        File("cg/a/memory.current", "1000000000\n");
        File("cg/a/hugetlb.2MB.max", "4194304\n");
        File("cg/a/hugetlb.2MB.current", "2097152\n");
        File("cg/a/b/memory.stat", "pagetables 4096\n");
        File("cg/a/b/memory.numa_stat", "anon N0=1 N1=2\npagetables N0=1024 N1=3072\nsec_pagetables N0=0 N1=16\n");
        File("cg/a/b/memory.max", "max\n");
        File("cg/a/b/hugetlb.2MB.max", "max\n");
        File("cg/a/b/hugetlb.2MB.rsvd.max", "0\n");
        File("cg/a/b/hugetlb.1GB.max", "max\n");

        var (facts, notes) = Read("0::/a/b\n");

        Assert.Equal(["/", "/a", "/a/b"], facts.Keys.Order(StringComparer.Ordinal));
        Assert.Equal((40960L, 8192L), (facts["/"].ChargedTableBytes, facts["/"].SecondaryTableBytes));
        var inner = facts["/a/b"];
        Assert.Equal((4096L, null, 1073741824L, 1000000000L), (inner.ChargedTableBytes, inner.WhyNotCharged, inner.MemoryLimit, inner.MemoryUsed));
        Assert.Equal([new NodeTables(0, 1024, 0), new NodeTables(1, 3072, 16)], inner.Nodes!);
        Assert.Equal(
            [new HugetlbLimit(2 << 20, 4194304, 2097152, "/a", Path.Combine(_root, "cg/a/hugetlb.2MB.max"), false), new HugetlbLimit(2 << 20, 0, 0, "/a/b", Path.Combine(_root, "cg/a/b/hugetlb.2MB.rsvd.max"), true)],
            inner.Hugetlb!);
        Assert.Empty(notes);
    }

    [Fact]
    public void On_v1_the_reason_why_nothing_is_charged_is_said_and_each_controller_has_its_own_path()
    {
        Mounts(("/", "m", "cgroup", "rw,memory"), ("/", "h", "cgroup", "rw,hugetlb"), ("/", "s", "cgroup", "rw,xattr,name=systemd"));
        File("m/box/memory.stat", "cache 1\nhierarchical_memory_limit 9223372036854771712\n");
        File("m/box/memory.limit_in_bytes", "9223372036854771712\n");
        File("m/memory.limit_in_bytes", "9223372036854771712\n");
        File("h/small/hugetlb.2MB.limit_in_bytes", "0\n");
        File("h/small/hugetlb.2MB.usage_in_bytes", "0\n");
        File("h/hugetlb.2MB.limit_in_bytes", "9223372036854771712\n");

        var text = $"9:name=systemd:/system.slice/docker-{Id}.scope\n5:hugetlb:/small\n4:memory:/box\n2:cpu,cpuacct:/\n";
        var (facts, _) = Read(text);
        var (path, others) = CgroupReader.PathsOf(Encoding.UTF8.GetBytes(text));

        Assert.Equal(("/box", $"/system.slice/docker-{Id}.scope", "/small"), (path, others!.Unit, others.Hugetlb));
        Assert.Null(facts["/box"].ChargedTableBytes);
        Assert.Contains("cgroup v1", facts["/box"].WhyNotCharged, StringComparison.Ordinal);
        Assert.Null(facts["/box"].MemoryLimit);
        Assert.Equal([new HugetlbLimit(2 << 20, 0, 0, "/small", Path.Combine(_root, "h/small/hugetlb.2MB.limit_in_bytes"), false)], facts["/small"].Hugetlb!);
    }

    [Fact]
    public void In_a_hybrid_memory_may_be_on_v1_and_huge_pages_on_v2()
    {
        Mounts(("/", "m", "cgroup", "rw,memory"), ("/", "u", "cgroup2", "rw"));
        File("m/a/memory.stat", "cache 1\n");
        File("u/x y:z/hugetlb.2MB.max", "0\n");

        var (facts, _) = Read("4:memory:/a\n0::/x y:z\n");

        Assert.Contains("cgroup v1", facts["/a"].WhyNotCharged, StringComparison.Ordinal);
        Assert.Equal((0L, "/x y:z"), (Assert.Single(facts["/x y:z"].Hugetlb!).Limit, facts["/x y:z"].Hugetlb![0].Level));
    }

    [Theory]
    [InlineData("/..", "4:memory:/\n0::/\n")] // the namespace was made below what was mounted before
    [InlineData("/../..", "4:memory:/a\n0::/a\n")]
    [InlineData("/../..", "4:memory:/../x\n0::/../x\n")]
    [InlineData("/../b", "4:memory:/../../b\n0::/../../b\n")]
    public void Above_a_cgroup_namespace_nothing_tells_where_a_cgroup_lies_below_a_mount(string root, string cgroup)
    {
        Mounts((root, "m", "cgroup", "rw,memory"), (root, "u", "cgroup2", "rw"));
        File("m/memory.stat", "pagetables 8192\n");

        var (facts, _) = Read(cgroup);

        Assert.All(facts.Values, f => Assert.Contains("another cgroup namespace", f.WhyNotCharged, StringComparison.Ordinal));
    }

    [Fact]
    public void A_cgroup_beside_the_reader_is_read_where_a_mount_from_above_shows_it()
    {
        Mounts(("/..", "u", "cgroup2", "rw"));
        File("u/b/memory.stat", "pagetables 8192\n");

        Assert.Equal(8192, Read("0::/../b\n").Facts["/../b"].ChargedTableBytes);
    }

    [Fact]
    public void A_container_that_sees_its_own_cgroup_at_the_mount_point_is_read_there()
    {
        // Without a cgroup namespace: the path is the host's, the mount shows the part below.
        Mounts(($"/docker/{Id}", "a b", "cgroup2", "rw"));
        File("a b/memory.stat", "pagetables 8192\n");
        File("a b/inner/memory.stat", "pagetables 4096\n");

        var (facts, _) = Read($"0::/docker/{Id}\n", $"0::/docker/{Id}/inner\n");

        Assert.Equal((8192L, 4096L), (facts[$"/docker/{Id}"].ChargedTableBytes, facts[$"/docker/{Id}/inner"].ChargedTableBytes));
        Assert.Contains("another cgroup namespace", facts["/docker"].WhyNotCharged, StringComparison.Ordinal);
    }

    [Fact]
    public void In_a_cgroup_namespace_what_lies_outside_is_not_looked_for_inside()
    {
        Mounts(("/", "cg", "cgroup2", "rw"));
        File("cg/memory.stat", "pagetables 8192\n");
        File("other/memory.stat", "pagetables 1\n");
        File("cg/other/memory.stat", "pagetables 1\n");

        var (facts, _) = Read("0::/\n", "0::/../other\n", "0::/../..\n");

        Assert.Equal(8192, facts["/"].ChargedTableBytes);
        Assert.Null(facts["/../other"].ChargedTableBytes);
        Assert.Null(facts["/../.."].ChargedTableBytes);
        Assert.Contains("another cgroup namespace", facts["/../other"].WhyNotCharged, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("anon 5\n", "Linux 5.11")]
    [InlineData(null, "not enabled")]
    public void Why_nothing_is_charged_on_v2(string? stat, string reason)
    {
        Mounts(("/", "cg", "cgroup2", "rw"));
        Directory.CreateDirectory(Path.Combine(_root, "cg/a"));
        if (stat is not null)
        {
            File("cg/a/memory.stat", stat);
        }

        Assert.Contains(reason, Read("0::/a\n").Facts["/a"].WhyNotCharged, StringComparison.Ordinal);
    }

    [Fact]
    public void Containers_and_pods_are_called_by_the_names_that_their_makers_keep()
    {
        const string Pod = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        var docker = "d" + Id[1..];
        var podman = "e" + Id[1..];
        Mounts(("/", "cg", "cgroup2", "rw"));
        File($"var/lib/docker/containers/{docker}/config.v2.json", "{\"ID\":\"x\",\"Name\":\"/web\",\"State\":{}}");
        File("var/lib/containers/storage/overlay-containers/containers.json", $"[{{\"id\":\"{podman}\",\"names\":[\"build\"]}}]");
        File($"var/log/containers/db-0_shop_postgres-{Id}.log", "");
        Directory.CreateDirectory(Path.Combine(_root, $"var/log/pods/shop_db-0_{Pod}"));

        var (facts, _) = Read($"0::/system.slice/docker-{docker}.scope\n", $"0::/libpod-{podman}\n", $"0::/kubepods/pod{Pod}/{Id}\n");

        Assert.Equal("web", facts[$"/system.slice/docker-{docker}.scope"].ContainerName);
        Assert.Equal("build", facts[$"/libpod-{podman}"].ContainerName);
        Assert.Equal(("postgres", "shop/db-0"), (facts[$"/kubepods/pod{Pod}/{Id}"].ContainerName, facts[$"/kubepods/pod{Pod}/{Id}"].PodName));
        Assert.Equal("shop/db-0", facts[$"/kubepods/pod{Pod}"].PodName);
    }

    [Fact]
    public void A_pipe_or_a_device_in_place_of_a_file_of_names_is_not_waited_for()
    {
        Mounts(("/", "cg", "cgroup2", "rw"));
        var directory = Directory.CreateDirectory(Path.Combine(_root, $"var/lib/docker/containers/{Id}")).FullName;
        using (var make = System.Diagnostics.Process.Start("mkfifo", Path.Combine(directory, "config.v2.json")))
        {
            make.WaitForExit();
        }

        Directory.CreateDirectory(Path.Combine(_root, "var/lib/containers/storage/overlay-containers"));
        System.IO.File.CreateSymbolicLink(Path.Combine(_root, "var/lib/containers/storage/overlay-containers/containers.json"), "/dev/zero");

        Assert.Null(Read($"0::/docker/{Id}\n").Facts[$"/docker/{Id}"].ContainerName);
    }

    [Fact]
    public void Sums_go_up_the_tree_and_what_is_charged_stands_beside_them()
    {
        ProcessFacts Process(int pid, string cgroup, long tables) => new(pid, "p", 0, cgroup, tables * 4096, 0, 0, []);
        var snapshot = new MachineSnapshot(DateTimeOffset.UnixEpoch, 1, true,
            new MachineFacts("6.12.0", 4, 2, 24L << 30, 1L << 30, 0, false, [], new Dictionary<string, string>(), "madvise", "never", new Dictionary<string, string>()),
            [new ObjectFacts(0, ObjectKind.Anonymous, "[anonymous]", "", 0)],
            [Process(1, "/kubepods/podA/c1", 10), Process(2, "/kubepods/podA/c2", 20), Process(3, "/kubepods/podB/c1", 5), Process(4, "/x.service", 7), Process(5, "/x.service", 1), Process(6, "", 3)],
            [new CgroupFacts("/kubepods/podA", 100), new CgroupFacts("/x.service", null, "because")], [], []);

        var rows = ScanAnalysis.Analyse(snapshot, new ReportOptions()).Cgroups;

        Assert.Equal(
            [("/", 5, 43L, 0L), ("/kubepods", 3, 35L, 0L), ("/kubepods/podA", 2, 30L, 0L), ("/kubepods/podA/c2", 1, 20L, 20L), ("/kubepods/podA/c1", 1, 10L, 10L), ("/x.service", 2, 8L, 8L), ("/kubepods/podB/c1", 1, 5L, 5L), ("(not known)", 1, 3L, 3L)],
            rows.Select(r => (r.Path, r.TreeProcesses, r.TreeTableBytes / 4096, r.TableBytes / 4096)));
        Assert.Equal((100L, null), (rows[2].ChargedBytes, rows[2].WhyNotCharged));
        Assert.Equal("because", rows[5].WhyNotCharged);
        Assert.Equal("x.service", rows[5].Label);
        Assert.Equal(snapshot.Processes.Sum(p => p.TableBytes), rows.Sum(r => r.TableBytes));
        Assert.Equal(["/kubepods", "/kubepods/podA", "/kubepods/podA/c2", "/kubepods/podA/c1", "/kubepods/podB/c1"],
            ScanAnalysis.Analyse(snapshot, new ReportOptions { Cgroup = "/kubepods" }).Cgroups.Select(r => r.Path));
    }

    [Fact]
    public void Ten_thousand_mutated_files_are_read_without_an_error()
    {
        var cgroup = Encoding.UTF8.GetBytes($"9:name=systemd:/system.slice/docker-{Id}.scope\n5:hugetlb:/small\n4:memory:/box\n2:cpu,cpuacct:/\n0::/a b:c\n");
        var mounts = Encoding.UTF8.GetBytes("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:20 /a\\040b /sys/fs/cgroup/memory rw,nosuid shared:1 - cgroup cgroup rw,memory\n31 22 0:21 / /sys/fs/cgroup/u rw - cgroup2 none rw\n");
        Fuzz.ForEach(random =>
        {
            var (path, others) = CgroupReader.PathsOf(Mutation.Of(cgroup, random));
            Assert.NotNull(path);
            _ = CgroupName.Of(others?.Unit ?? path);
            for (var at = path.Length == 0 ? null : path; at is not null; at = CgroupPath.ParentOf(at))
            {
                Assert.True(CgroupPath.IsInside(path, at));
            }

            Assert.All(MountPoint.Parse(Mutation.Of(mounts, random)), m => Assert.NotNull(m.Point));
        });
    }
}
