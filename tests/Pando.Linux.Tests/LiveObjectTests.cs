using Pando.Linux.Proc;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>
/// Which object a mapping shows, on the running kernel: names that look like something else, numbers that are a namespace's
/// and not the machine's, one file that has several.
/// </summary>
[Collection(nameof(LiveLinux))]
public class LiveObjectTests
{
    private const long Table = 4096;
    private const ulong At = 0x400000000000;
    private const string Size = "size=67108864"; // 64 MiB: 32 windows
    private const string Stride = "value=2097152";
    private const int NewIpc = 0x08000000; // CLONE_NEWIPC
    private const int NewMounts = 0x00020000; // CLONE_NEWNS

    private static readonly string Map = $"map,at={At:x},{Size},rights=r";
    private static readonly string Touch = $"touch,at={At:x},{Size},{Stride}";

    /// <summary>What the group's processes map at the tests' address, as the scan resolved it.</summary>
    private static List<(int Pid, MappingFacts Mapping, ObjectFacts Object)> Mapped(MachineSnapshot snapshot, TestProcessGroup group) =>
        [.. snapshot.Processes.Where(p => group.Pids.Contains(p.Pid)).SelectMany(p => p.Mappings!.Where(m => m.Start == At).Select(m => (p.Pid, m, snapshot.Objects[m.ObjectNumber])))];

    private static (List<(int Pid, MappingFacts Mapping, ObjectFacts Object)> Mapped, ScanReport Report) Scan(TestProcessGroup group)
    {
        var (snapshot, report) = LiveLinux.Scan();
        return (Mapped(snapshot, group), report);
    }

    private static void SkipUnlessRoot()
    {
        if (!LiveLinux.IsRoot)
        {
            Assert.Skip("Only root may make namespaces and follow map_files.");
        }
    }

    private static string FileOf64MiB(TestMount mount, string name)
    {
        var path = Path.Combine(mount.Path, name);
        using var file = File.Create(path);
        file.SetLength(64 << 20);
        return path;
    }

    [Theory]
    [InlineData("/tmp")]
    [InlineData("/dev")]
    public void A_hugetlbfs_is_one_wherever_it_is_mounted(string parent)
    {
        using var pages = LiveLinux.ReserveHugePages(32);
        using var mount = TestMount.Make("hugetlbfs", "none", parent: parent);
        using var group = TestProcessGroup.Start(2, $"file,path={FileOf64MiB(mount, "pool")}", "fork,value=1", $"map,at={At:x},{Size},rights=rw", Touch);

        var (mapped, report) = Scan(group);
        var one = report.Objects.Single(o => o.Number == mapped[0].Object.Number);

        Assert.All(mapped, m => Assert.Equal((ObjectKind.Hugetlb, 2UL << 20), (m.Object.Kind, m.Object.HugePageSize)));
        Assert.Single(mapped.Select(m => m.Object.Number).Distinct());
        Assert.Equal(["2 MiB"], one.PageSizes.Keys);
        Assert.Equal((0, 2 * Table), (one.Live.Pte, one.Live.Pmd));
    }

    [Fact]
    public void A_hugetlbfs_that_is_mounted_nowhere_any_more_is_still_one()
    {
        using var pages = LiveLinux.ReserveHugePages(32);
        using var mount = TestMount.Make("hugetlbfs", "none", "pagesize=2M");
        using var group = TestProcessGroup.Start(1, $"file,path={FileOf64MiB(mount, "pool")}", $"map,at={At:x},{Size},rights=rw", Touch);
        mount.Detach();

        var withHelp = Mapped(MachineScanner.Scan(new ScanOptions { FileAsker = TestProcessGroup.FileAsker }), group);
        var alone = Mapped(MachineScanner.Scan(new ScanOptions()), group); // smaps tells

        Assert.Equal((ObjectKind.Hugetlb, 2UL << 20), (Assert.Single(withHelp).Object.Kind, withHelp[0].Object.HugePageSize));
        Assert.Equal((ObjectKind.Hugetlb, 2UL << 20), (Assert.Single(alone).Object.Kind, alone[0].Object.HugePageSize));
    }

    [Theory]
    [InlineData("SYSV00000000", ObjectKind.SharedMemory)]
    [InlineData("memfd:pool (deleted)", ObjectKind.SharedMemory)]
    [InlineData("zero", ObjectKind.SharedMemory)]
    [InlineData("dax0.0", ObjectKind.SharedMemory)]
    [InlineData("anon_hugepage", ObjectKind.SharedMemory)]
    public void A_file_of_a_tmpfs_below_dev_is_shared_memory_whatever_it_is_called(string name, ObjectKind kind)
    {
        using var mount = TestMount.Make("tmpfs", "none", parent: "/dev");
        using var group = TestProcessGroup.Start(1, $"file,path={FileOf64MiB(mount, name)}", Map, Touch);

        var mapped = Scan(group).Mapped;

        Assert.Equal((kind, "tmpfs"), (Assert.Single(mapped).Object.Kind, mapped[0].Object.FileSystem));
        Assert.Equal(Path.Combine(mount.Path, name), mapped[0].Object.Name);
    }

    [Theory]
    [InlineData("/dev/zero")]
    [InlineData("/dev/zero (deleted)")]
    [InlineData("SYSV00000000 (deleted)")]
    [InlineData("anon_hugepage")]
    [InlineData("[anon_shmem:x]")]
    public void A_memfd_is_a_memfd_whatever_it_is_called(string name)
    {
        using var group = TestProcessGroup.Start(1, $"memfd,{Size},path={name}", Map, Touch);

        var one = Assert.Single(Scan(group).Mapped).Object;

        Assert.Equal((ObjectKind.Memfd, $"/memfd:{name} (deleted)"), (one.Kind, one.Name));
    }

    [Fact]
    public void Private_memory_of_dev_zero_is_private_memory_and_shared_memory_of_it_is_shared()
    {
        using var group = TestProcessGroup.Start(2, "file,path=/dev/zero", "fork,value=1", $"private,at={At:x},{Size},rights=rw", $"write,at={At:x},{Size},{Stride}");
        using var shared = TestProcessGroup.Start(1, "file,path=/dev/zero", $"map,at={At:x},{Size},rights=rw", $"write,at={At:x},{Size},{Stride}");

        var (mapped, report) = Scan(group);

        Assert.All(mapped, m => Assert.Equal((ObjectFacts.Anonymous, ObjectKind.Anonymous), (m.Object.Number, m.Object.Kind)));
        Assert.Equal(ObjectKind.SharedAnonymous, Assert.Single(Scan(shared).Mapped).Object.Kind);
        Assert.DoesNotContain(report.Objects, o => o.Kind == ObjectKind.Special && o.Name.StartsWith("/dev/zero", StringComparison.Ordinal));
    }

    [Fact]
    public void A_node_of_dev_zero_elsewhere_is_private_memory_too()
    {
        using var mount = TestMount.Make("tmpfs", "none", "mode=755");
        var node = Path.Combine(mount.Path, "not-zero-by-name");
        Assert.Equal(0, TestMount.Run("mknod", [node, "c", "1", "5"]).Code);
        using var group = TestProcessGroup.Start(1, $"file,path={node}", $"private,at={At:x},{Size},rights=rw", $"write,at={At:x},{Size},{Stride}");

        Assert.Equal(ObjectFacts.Anonymous, Assert.Single(Scan(group).Mapped).Object.Number);
    }

    [Fact]
    public void Huge_pages_of_private_dev_zero_keep_their_tables_in_reserve()
    {
        if (File.ReadAllText("/sys/kernel/mm/transparent_hugepage/enabled").Contains("[never]", StringComparison.Ordinal))
        {
            Assert.Skip("Transparent huge pages are switched off.");
        }

        using var group = TestProcessGroup.Start(1, "file,path=/dev/zero", $"private,at={At:x},{Size},rights=rw", $"hugepage,at={At:x},{Size}", $"write,at={At:x},{Size},{Stride}");
        var (snapshot, report) = LiveLinux.Scan();
        var process = snapshot.Processes.Single(p => p.Pid == group.Pids[0]);
        var huge = process.Populated!.Where(r => r.LeafLevel == 1 && process.Mappings![r.Mapping].Start == At).Sum(r => (long)(r.End - r.Start));
        if (huge < 64 << 20)
        {
            Assert.Skip($"The machine gave {huge >> 20} of 64 MiB in huge pages.");
        }

        // The runtime of the test process may have emptied a table or two of its own heap meanwhile.
        Assert.InRange(report.Processes.Single(p => p.Pid == process.Pid).Empty, 0, 7 * Table);
    }

    [Fact]
    public void System_V_segments_of_two_IPC_namespaces_are_two_though_they_have_one_id()
    {
        SkipUnlessRoot();
        string[] steps = [$"unshare,value={NewIpc}", $"segment,at={At:x},{Size}", "fork,value=1", $"write,at={At:x},{Size},{Stride}"];
        using var first = TestProcessGroup.Start(2, steps);
        using var second = TestProcessGroup.Start(2, steps);

        var (snapshot, report) = LiveLinux.Scan();
        var (ofFirst, ofSecond) = (Mapped(snapshot, first), Mapped(snapshot, second));
        var objects = report.Objects.Where(o => o.Number == ofFirst[0].Object.Number || o.Number == ofSecond[0].Object.Number).ToList();

        Assert.All(ofFirst.Concat(ofSecond), m => Assert.Equal((ObjectKind.SystemV, 0UL), (m.Object.Kind, m.Object.Inode)));
        Assert.Single(ofFirst.Select(m => m.Object.Number).Distinct());
        Assert.Single(ofSecond.Select(m => m.Object.Number).Distinct());
        Assert.Equal(2, objects.Count);
        Assert.All(objects, o => Assert.Equal((2, 32 * Table), (o.Processes, o.Live.Pte / 2)));
        Assert.All(objects, o => Assert.InRange(o.Duplicate, 32 * Table, 34 * Table));
        Assert.Equal(2, objects.Select(o => o.Label).Distinct().Count());
        Assert.All(objects, o => Assert.Equal(o.Number, Assert.Single(Analysis.ScanAnalysis.Analyse(snapshot, new Analysis.ReportOptions { ObjectName = o.Place }).Objects).Number));
    }

    [Fact]
    public void A_System_V_segment_that_was_attached_before_the_namespace_was_left_is_one_all_the_same()
    {
        SkipUnlessRoot();
        using var group = TestProcessGroup.Start(2, $"unshare,value={NewIpc}", $"segment,at={At:x},{Size}", "fork,value=1", $"1:unshare,value={NewIpc}", $"write,at={At:x},{Size},{Stride}");

        Assert.Single(Scan(group).Mapped.Select(m => m.Object.Number).Distinct());
    }

    [Fact]
    public void Huge_System_V_segments_of_two_IPC_namespaces_are_two()
    {
        SkipUnlessRoot();
        using var pages = LiveLinux.ReserveHugePages(64);
        string[] steps = [$"unshare,value={NewIpc}", $"segment,at={At:x},{Size},value=1", "fork,value=1", $"write,at={At:x},{Size},{Stride}"];
        using var first = TestProcessGroup.Start(2, steps);
        using var second = TestProcessGroup.Start(2, steps);

        var (snapshot, report) = LiveLinux.Scan();
        var (ofFirst, ofSecond) = (Mapped(snapshot, first), Mapped(snapshot, second));

        Assert.All(ofFirst.Concat(ofSecond), m => Assert.Equal((ObjectKind.Hugetlb, 2UL << 20), (m.Object.Kind, m.Object.HugePageSize)));
        Assert.Single(ofFirst.Select(m => m.Object.Number).Distinct());
        Assert.Single(ofSecond.Select(m => m.Object.Number).Distinct());
        Assert.NotEqual(ofFirst[0].Object.Number, ofSecond[0].Object.Number);
        Assert.All(report.Objects.Where(o => o.Number == ofFirst[0].Object.Number), o => Assert.Equal(2 * Table, o.Live.Pmd));
    }

    [Fact]
    public void A_file_below_three_overlays_is_one()
    {
        using var all = TestMount.Make("tmpfs", "none");
        var lower = Directory.CreateDirectory(Path.Combine(all.Path, "lower")).FullName;
        File.WriteAllBytes(Path.Combine(lower, "model"), new byte[64 << 20]);
        File.WriteAllBytes(Path.Combine(lower, "other"), new byte[64 << 20]);
        var overlays = Enumerable.Range(0, 3).Select(i => Overlay(all, lower, i)).ToList();
        try
        {
            var groups = overlays.Select(o => TestProcessGroup.Start(2, $"readfile,path={o.Path}/model", "fork,value=1", Map, Touch)).ToList();
            using var below = TestProcessGroup.Start(1, $"readfile,path={overlays[0].Path}/other", Map, Touch);
            try
            {
                var snapshot = MachineScanner.Scan(new ScanOptions { Exact = true, FileAsker = TestProcessGroup.FileAsker });
                var mapped = groups.SelectMany(g => Mapped(snapshot, g)).ToList();
                var report = Analysis.ScanAnalysis.Analyse(snapshot, new Analysis.ReportOptions());

                Assert.Equal(6, mapped.Count);
                var number = Assert.Single(mapped.Select(m => m.Object.Number).Distinct());
                Assert.NotEqual(number, Assert.Single(Mapped(snapshot, below)).Object.Number);
                Assert.Equal(5 * 32 * Table, report.Objects.Single(o => o.Number == number).Duplicate / Table / 32 * 32 * Table);
            }
            finally
            {
                groups.ForEach(g => g.Dispose());
            }
        }
        finally
        {
            overlays.ForEach(o => o.Dispose());
        }
    }

    [Fact]
    public void Files_to_which_a_server_gives_one_inode_are_two_and_one_file_with_two_names_is_one()
    {
        using var system = HangingFileSystem.Make();
        using var data = TestProcessGroup.Start(2, $"readfile,path={system.Data}", "fork,value=1", Map, Touch);
        using var link = TestProcessGroup.Start(1, $"readfile,path={system.Link}", Map, Touch);
        using var other = TestProcessGroup.Start(2, $"readfile,path={system.Other}", "fork,value=1", Map, Touch);

        var (snapshot, report) = LiveLinux.Scan();
        var first = Mapped(snapshot, data).Concat(Mapped(snapshot, link)).ToList();
        var second = Mapped(snapshot, other);

        Assert.Equal((3, 2), (first.Count, second.Count));
        var number = Assert.Single(first.Select(m => m.Object.Number).Distinct());
        var another = Assert.Single(second.Select(m => m.Object.Number).Distinct());
        Assert.NotEqual(number, another);
        Assert.Equal((first[0].Object.Device, first[0].Object.Inode), (second[0].Object.Device, second[0].Object.Inode));
        Assert.NotEqual(report.Objects.Single(o => o.Number == number).Label, report.Objects.Single(o => o.Number == another).Label);
    }

    [Fact]
    public void Files_of_two_overlays_that_were_copied_up_are_two()
    {
        using var all = TestMount.Make("tmpfs", "none");
        var lower = Directory.CreateDirectory(Path.Combine(all.Path, "lower")).FullName;
        File.WriteAllBytes(Path.Combine(lower, "model"), new byte[64 << 20]);
        using var one = Overlay(all, lower, 1);
        using var two = Overlay(all, lower, 2);
        using var writer = TestProcessGroup.Start(1, $"file,path={one.Path}/model", Map, Touch); // opened for writing: copied up
        using var reader = TestProcessGroup.Start(1, $"readfile,path={two.Path}/model", Map, Touch);

        var snapshot = MachineScanner.Scan(new ScanOptions { Exact = true, FileAsker = TestProcessGroup.FileAsker });

        Assert.NotEqual(Assert.Single(Mapped(snapshot, writer)).Object.Number, Assert.Single(Mapped(snapshot, reader)).Object.Number);
    }

    [Fact]
    public void A_process_that_mapped_an_overlays_file_before_it_was_copied_up_shows_the_file_below()
    {
        using var all = TestMount.Make("tmpfs", "none");
        var lower = Directory.CreateDirectory(Path.Combine(all.Path, "lower")).FullName;
        File.WriteAllBytes(Path.Combine(lower, "model"), new byte[64 << 20]);
        using var one = Overlay(all, lower, 1);
        using var two = Overlay(all, lower, 2);
        using var early = TestProcessGroup.Start(1, $"readfile,path={one.Path}/model", Map, Touch);
        using var writer = TestProcessGroup.Start(1, $"file,path={one.Path}/model", Map, Touch);
        using var elsewhere = TestProcessGroup.Start(1, $"readfile,path={two.Path}/model", Map, Touch);

        var snapshot = MachineScanner.Scan(new ScanOptions { Exact = true, FileAsker = TestProcessGroup.FileAsker });
        var numbers = new[] { early, writer, elsewhere }.Select(g => Assert.Single(Mapped(snapshot, g)).Object.Number).ToList();

        Assert.Equal(numbers[0], numbers[2]);
        Assert.NotEqual(numbers[0], numbers[1]);
    }

    [Fact]
    public void Files_of_two_subvolumes_that_have_one_device_and_one_inode_are_two()
    {
        var image = Path.Combine(Path.GetTempPath(), "pando-test-" + Path.GetRandomFileName());
        try
        {
            using (var file = File.Create(image))
            {
                file.SetLength(256 << 20);
            }

            if (!File.Exists("/usr/sbin/mkfs.btrfs") && !File.Exists("/sbin/mkfs.btrfs"))
            {
                Assert.Skip("mkfs.btrfs is not installed.");
            }

            Assert.Equal(0, TestMount.Run("mkfs.btrfs", ["-q", image]).Code);
            using var mount = TestMount.Make("btrfs", image, "loop");
            foreach (var volume in new[] { "one", "two" })
            {
                Assert.Equal(0, TestMount.Run("btrfs", ["subvolume", "create", Path.Combine(mount.Path, volume)]).Code);
                File.WriteAllBytes(Path.Combine(mount.Path, volume, "data"), new byte[64 << 20]);
            }

            string[] steps = ["fork,value=1", Map, Touch];
            using var first = TestProcessGroup.Start(2, [$"file,path={mount.Path}/one/data", .. steps]);
            using var second = TestProcessGroup.Start(2, [$"file,path={mount.Path}/two/data", .. steps]);
            var (snapshot, report) = LiveLinux.Scan();
            var (ofFirst, ofSecond) = (Mapped(snapshot, first), Mapped(snapshot, second));

            Assert.Equal((ofFirst[0].Object.Device, ofFirst[0].Object.Inode), (ofSecond[0].Object.Device, ofSecond[0].Object.Inode));
            Assert.NotEqual(Assert.Single(ofFirst.Select(m => m.Object.Number).Distinct()), Assert.Single(ofSecond.Select(m => m.Object.Number).Distinct()));
            Assert.Equal(2, report.Objects.Single(o => o.Number == ofFirst[0].Object.Number).Processes);
        }
        finally
        {
            File.Delete(image);
        }
    }

    [Fact]
    public void Shared_memory_with_a_name_of_its_own_is_shared_memory_and_one_under_both_names()
    {
        // Linux 6.2 with CONFIG_ANON_VMA_NAME: prctl(PR_SET_VMA_ANON_NAME). The lines are what it writes.
        var device = KernelMounts.Find("/sys").Single(m => m.Type.Name == FileSystemType.Memory).Device;
        var number = $"{device >> 20:x2}:{device & 0xfffff:x2}";
        var proc = Directory.CreateTempSubdirectory().FullName;
        try
        {
            foreach (var (pid, maps) in new[]
            {
                (42, $"7f0000000000-7f0040000000 rw-s 00000000 {number} 1057       [anon_shmem:buffers]\n7f0050000000-7f0050001000 rw-p 00000000 00:00 0    [anon:heap of x]\n"),
                (43, $"7f0000000000-7f0040000000 rw-s 00000000 {number} 1057       /dev/zero (deleted)\n"),
            })
            {
                Directory.CreateDirectory(Path.Combine(proc, $"{pid}"));
                File.WriteAllText(Path.Combine(proc, $"{pid}", "status"), "Name:\tserver\nState:\tS (sleeping)\nUid:\t1\t1\t1\t1\nVmPTE:\t    8208 kB\n");
                File.WriteAllText(Path.Combine(proc, $"{pid}", "maps"), maps);
            }

            var snapshot = MachineScanner.Scan(new ScanOptions { Proc = proc });

            Assert.Equal([1, 0, 1], snapshot.Processes.SelectMany(p => p.Mappings!.Select(m => m.ObjectNumber)));
            Assert.Equal((ObjectKind.SharedAnonymous, "[anon_shmem:buffers]"), (snapshot.Objects[1].Kind, snapshot.Objects[1].Name));
        }
        finally
        {
            Directory.Delete(proc, recursive: true);
        }
    }

    [Fact]
    public void A_file_that_was_deleted_or_renamed_while_it_is_mapped_is_one()
    {
        using var mount = TestMount.Make("tmpfs", "none");
        var path = FileOf64MiB(mount, "data (deleted)"); // a name like that, and not deleted
        using var first = TestProcessGroup.Start(1, $"file,path={path}", Map, Touch);
        File.CreateSymbolicLink(Path.Combine(mount.Path, "link"), path);
        Assert.Equal(0, TestMount.Run("ln", [path, Path.Combine(mount.Path, "second")]).Code);
        using var second = TestProcessGroup.Start(1, $"file,path={Path.Combine(mount.Path, "second")}", Map, Touch);
        File.Delete(path);

        var (snapshot, report) = LiveLinux.Scan();
        var mapped = Mapped(snapshot, first).Concat(Mapped(snapshot, second)).ToList();

        Assert.Equal(Path.Combine(mount.Path, "second"), Assert.Single(mapped.Select(m => m.Object).Distinct()).Name);
        Assert.Equal(2, report.Objects.Single(o => o.Number == mapped[0].Object.Number).Processes);
    }

    [Fact]
    public void A_tmpfs_of_another_mount_namespace_is_known_by_that_namespaces_mounts()
    {
        SkipUnlessRoot();
        using var mount = TestMount.Make("tmpfs", "none");
        using var group = TestProcessGroup.Start(1, $"file,path={FileOf64MiB(mount, "data")}", $"unshare,value={NewMounts}", Map, Touch);
        mount.Detach(); // here; a copy of the mount is in the other namespace

        Assert.Equal((ObjectKind.SharedMemory, "tmpfs"), (Assert.Single(Scan(group).Mapped).Object.Kind, Mapped(LiveLinux.Scan().Snapshot, group)[0].Object.FileSystem));
    }

    [Fact]
    public void Files_on_one_tmpfs_of_another_mount_namespace_are_on_one_mount_whoever_maps_them()
    {
        // Else the advice to remount it would be given once for each process.
        SkipUnlessRoot();
        using var mount = TestMount.Make("tmpfs", "none");
        using var group = TestProcessGroup.Start(2, $"unshare,value={NewMounts}", "fork,value=1", $"0:file,path={FileOf64MiB(mount, "one")}", $"1:file,path={FileOf64MiB(mount, "two")}", Map, Touch);

        var mapped = Scan(group).Mapped;

        Assert.Equal(2, mapped.Select(m => m.Object.Number).Distinct().Count());
        var place = Assert.Single(mapped.Select(m => (m.Object.Mount?.Point, m.Object.Mount?.Namespace)).Distinct());
        Assert.Equal(mount.Path, place.Point);
        Assert.Contains(place.Namespace!.Value, group.Pids);
    }

    [Fact]
    public void Secret_memory_and_shared_memory_without_a_file_are_what_they_are()
    {
        using var shared = TestProcessGroup.Start(1, $"sharedanonymous,at={At:x},{Size}", Touch);
        Assert.Equal(ObjectKind.SharedAnonymous, Assert.Single(Scan(shared).Mapped).Object.Kind);
        TestProcessGroup secret;
        try
        {
            secret = TestProcessGroup.Start(2, $"secret,size=2097152", "fork,value=1", $"map,at={At:x},size=2097152,rights=rw", $"touch,at={At:x},size=2097152,value=4096");
        }
        catch (InvalidOperationException e)
        {
            Assert.Skip($"No memfd_secret here: {e.Message}");
            throw;
        }

        using (secret)
        {
            var (mapped, report) = Scan(secret);
            Assert.All(mapped, m => Assert.Equal((ObjectKind.File, "secretmem"), (m.Object.Kind, m.Object.FileSystem)));
            Assert.Equal(2, report.Objects.Single(o => o.Number == mapped[0].Object.Number).Processes);
        }
    }

    private static TestMount Overlay(TestMount all, string lower, int i)
    {
        var upper = Directory.CreateDirectory(Path.Combine(all.Path, $"upper{i}")).FullName;
        var work = Directory.CreateDirectory(Path.Combine(all.Path, $"work{i}")).FullName;
        return TestMount.Make("overlay", "overlay", $"lowerdir={lower},upperdir={upper},workdir={work}", Path.Combine(all.Path, $"at{i}"));
    }
}
