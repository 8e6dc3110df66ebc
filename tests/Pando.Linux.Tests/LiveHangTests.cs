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
