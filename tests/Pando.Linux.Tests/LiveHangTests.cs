using Pando.Linux.Proc;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>Healthy processes that map files of a file system whose server hangs.</summary>
[Collection(nameof(LiveLinux))]
public class LiveHangTests
{
    private const string Size = "size=67108864";
    private static readonly string[] Steps = ["fork,value=3", $"map,at=400000000000,{Size},rights=r", $"touch,at=400000000000,{Size},value=2097152"];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Their_scan_asks_nothing_of_it_in_this_process_and_ends(bool isDetached)
    {
        using var system = HangingFileSystem.Make();
        using var group = TestProcessGroup.Start(4, [$"readfile,path={system.Data}", .. Steps]);
        system.Hang();
        if (isDetached)
        {
            system.Detach(); // no mountinfo tells its type any more: it has to be asked, by a child
        }

        var snapshot = MachineScanner.Scan(new ScanOptions { Exact = true, FileAsker = TestProcessGroup.FileAsker });
        var ours = snapshot.Processes.Where(p => group.Pids.Contains(p.Pid)).ToList();
        var mapped = ours.Select(p => snapshot.Objects[p.Mappings!.Single(m => m.Start == 0x400000000000).ObjectNumber]).ToList();

        Assert.All(ours, p => Assert.Null(p.StuckState));
        Assert.All(ours, p => Assert.NotNull(p.Populated));
        Assert.All(mapped, o => Assert.Equal(ObjectKind.File, o.Kind));
        Assert.Single(mapped.Select(o => o.Number).Distinct());
        Assert.Equal(isDetached ? "" : "fuse.pando-test", mapped[0].FileSystem);
        Assert.Equal(isDetached, snapshot.Notes.Any(n => n.StartsWith("No answer from the file system of device", StringComparison.Ordinal)));
        Assert.Equal(isDetached ? 1 : 0, system.WaitingChildren);
        Assert.DoesNotContain(Directory.EnumerateDirectories("/proc/self/task"), IsBlocked);
    }

    [Fact]
    public void A_second_scan_leaves_no_second_child_behind()
    {
        using var system = HangingFileSystem.Make();
        using var group = TestProcessGroup.Start(4, [$"readfile,path={system.Data}", .. Steps]);
        system.Hang();
        system.Detach();

        for (var i = 0; i < 3; i++)
        {
            var snapshot = MachineScanner.Scan(new ScanOptions { FileAsker = TestProcessGroup.FileAsker });
            Assert.Contains(snapshot.Notes, n => n.StartsWith("No answer from the file system of device", StringComparison.Ordinal));
        }

        Assert.Equal(1, system.WaitingChildren);
    }

    [Fact]
    public void Without_a_child_nothing_is_asked()
    {
        using var system = HangingFileSystem.Make();
        using var group = TestProcessGroup.Start(4, [$"readfile,path={system.Data}", .. Steps]);
        system.Hang();
        system.Detach();

        var snapshot = MachineScanner.Scan(new ScanOptions());

        Assert.All(snapshot.Processes.Where(p => group.Pids.Contains(p.Pid)), p => Assert.Null(p.StuckState));
        Assert.Equal(0, system.WaitingChildren);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_server_that_works_in_a_directory_of_it_is_asked_for_its_version_by_a_child(bool isDetached)
    {
        // Where the mount is taken out of the tree the directory is called "/".
        using var system = HangingFileSystem.Make();
        using var group = TestProcessGroup.Start(2, "fork,value=1", $"directory,path={system.Path}", $"1:name,hex={Convert.ToHexString("postgres"u8)}");
        system.Hang();
        if (isDetached)
        {
            system.Detach();
        }

        var snapshot = MachineScanner.Scan(new ScanOptions { FileAsker = TestProcessGroup.FileAsker });
        var server = snapshot.Processes.Single(p => p.Pid == group.Pids[1]);

        Assert.Equal(("", isDetached ? "/" : system.Path), (server.Service!.DataVersion, server.Service.WorkingDirectory));
        Assert.Null(server.StuckState);
        Assert.Contains(snapshot.Notes, n => n.StartsWith($"No answer from the file system on which process {server.Pid} (postgres) works", StringComparison.Ordinal));
        Assert.Equal(1, system.WaitingChildren);
        Assert.DoesNotContain(Directory.EnumerateDirectories("/proc/self/task"), IsBlocked);
    }

    [Fact]
    public void The_path_of_a_file_is_asked_by_a_child_since_a_mount_may_come_over_it()
    {
        // As an ordinary user has it: no map_files, and mounts that were read before this one came.
        using var system = HangingFileSystem.Make();
        system.Hang();
        var proc = Directory.CreateTempSubdirectory("pando-hang-").FullName;
        try
        {
            var process = Directory.CreateDirectory(Path.Combine(proc, "42")).FullName;
            var root = File.ReadLines("/proc/self/mountinfo").Select(l => l.Split(' ')).Last(w => w[4] == "/");
            var device = root[2].Split(':').Select(n => int.Parse(n, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
            File.WriteAllText(Path.Combine(process, "status"), "Name:\tserver\nState:\tS (sleeping)\nUid:\t1\t1\t1\t1\nVmPTE:\t    8208 kB\n");
            File.WriteAllText(Path.Combine(process, "maps"), $"7f0000000000-7f0040000000 r--s 00000000 {device[0]:x2}:{device[1]:x2} 1057       {system.Path}/unknown\n");
            Directory.CreateSymbolicLink(Path.Combine(process, "root"), "/");
            foreach (var name in new[] { process, Directory.CreateDirectory(Path.Combine(proc, "self")).FullName })
            {
                File.WriteAllText(Path.Combine(name, "mountinfo"), $"22 1 {root[2]} / / rw - ext4 /dev/sda1 rw\n");
            }

            var snapshot = MachineScanner.Scan(new ScanOptions { Proc = proc, FileAsker = TestProcessGroup.FileAsker });

            Assert.Null(Assert.Single(snapshot.Processes).StuckState);
            Assert.Equal(ObjectKind.File, snapshot.Objects[^1].Kind);
            Assert.Equal(1, system.WaitingChildren);
            Assert.DoesNotContain(Directory.EnumerateDirectories("/proc/self/task"), IsBlocked);
        }
        finally
        {
            Directory.Delete(proc, recursive: true);
        }
    }

    [Fact]
    public void Names_of_containers_that_are_links_to_it_are_not_read()
    {
        using var system = HangingFileSystem.Make();
        system.Hang();
        var root = Directory.CreateTempSubdirectory("pando-hang-").FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(root, "var/lib"));
            Directory.CreateSymbolicLink(Path.Combine(root, "var/lib/docker"), $"{system.Path}/docker");
            Directory.CreateDirectory(Path.Combine(root, "var/log"));
            Directory.CreateSymbolicLink(Path.Combine(root, "var/log/containers"), "../../elsewhere/../elsewhere");
            Directory.CreateSymbolicLink(Path.Combine(root, "elsewhere"), system.Path);
            var mounts = MountPoint.Parse(File.ReadAllBytes("/proc/self/mountinfo"));

            Assert.Null(MountPoint.Follow(mounts, Path.Combine(root, "var/lib/docker/containers")));
            Assert.Null(MountPoint.Follow(mounts, Path.Combine(root, "var/log/containers")));
            Assert.Equal(Path.Combine(root, "var/log"), MountPoint.Follow(mounts, Path.Combine(root, "var/./log/../log")));
            Assert.Null(new ContainerNames(new ScanOptions { Root = root }, new Native.FileContents(), mounts).OfContainer(new string('a', 64)));

            // A directory of links, as the kubelet makes it: their names tell, and where they lead is nobody's business.
            File.Delete(Path.Combine(root, "var/log/containers"));
            var links = Directory.CreateDirectory(Path.Combine(root, "var/log/containers")).FullName;
            File.CreateSymbolicLink(Path.Combine(links, $"db-0_shop_postgres-{new string('b', 64)}.log"), $"{system.Path}/log");
            Assert.Equal("postgres", new ContainerNames(new ScanOptions { Root = root }, new Native.FileContents(), mounts).OfContainer(new string('b', 64)));
            Assert.Equal(0, system.Waiting);
        }
        finally
        {
            // One by one: .NET asks where a link leads before it takes it away with its directory.
            foreach (var link in new[] { "var/lib/docker", "elsewhere", $"var/log/containers/db-0_shop_postgres-{new string('b', 64)}.log" })
            {
                File.Delete(Path.Combine(root, link));
            }

            Directory.Delete(root, recursive: true);
        }
    }

    private static bool IsBlocked(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "wchan")) == "request_wait_answer";
        }
        catch (IOException)
        {
            return false; // ended
        }
    }
}
