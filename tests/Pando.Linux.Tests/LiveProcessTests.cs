using Pando.Linux.Analysis;
using Pando.Linux.Proc;

namespace Pando.Linux.Tests;

/// <summary>Which processes and address spaces there are, against what the kernel says of their threads.</summary>
[Collection(nameof(LiveLinux))]
public class LiveProcessTests
{
    private const string Size = "size=67108864"; // 64 MiB: 32 windows
    private static readonly string[] Memory = [$"memfd,{Size}", $"map,at=400000000000,{Size},rights=rw", $"touch,at=400000000000,{Size},value=4096"];

    private static long VmPteOf(string status) => 1024 * long.Parse(File.ReadLines(status).Single(l => l.StartsWith("VmPTE:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);

    [Fact]
    public void A_process_whose_first_thread_has_ended_is_read_through_another()
    {
        using var group = TestProcessGroup.Start(1, [.. Memory, "leaderends"]);
        var pid = group.Pids[0];
        for (var i = 0; i < 60_000 && !File.ReadAllText($"/proc/{pid}/status").Contains("State:\tZ", StringComparison.Ordinal); i++)
        {
            Thread.Sleep(10);
        }

        var task = Directory.EnumerateDirectories($"/proc/{pid}/task").First(t => Path.GetFileName(t) != $"{pid}");
        Assert.Empty(File.ReadAllText($"/proc/{pid}/maps"));

        var (snapshot, report) = LiveLinux.Scan();
        var process = snapshot.Processes.Single(p => p.Pid == pid);
        var tables = report.Processes.Single(p => p.Pid == pid);

        Assert.InRange(tables.TableBytes, VmPteOf(task + "/status") - 65536, VmPteOf(task + "/status") + 65536); // its runtime lives on
        Assert.Equal(File.ReadAllText($"/proc/{pid}/comm").Trim(), process.Name);
        Assert.NotEqual(0, process.Thread);
        Assert.True(tables.IsRead);
        Assert.Equal(32 * 4096, LiveLinux.TestObjectOf(report).Live.Pte);
        Assert.Single(snapshot.Processes, p => p.Has(pid) || p.Thread == process.Thread);
        Assert.Equal("present, 4 KiB leaf", RangeReader.Explain(pid, 0x400000000000, new ScanOptions()).Entry);
    }

    [Fact]
    public void Two_processes_in_one_address_space_count_once_and_either_may_be_asked_about()
    {
        using var group = TestProcessGroup.Start(1, [.. Memory, "sharedspace"]);
        var other = Assert.Single(group.Pids, p => p != group.Pids[0]);
        Assert.Equal(VmPteOf($"/proc/{group.Pids[0]}/status"), VmPteOf($"/proc/{other}/status"));

        var (snapshot, report) = LiveLinux.Scan();
        var process = Assert.Single(snapshot.Processes, p => p.Has(other));
        var asked = ScanAnalysis.Analyse(snapshot, new ReportOptions { Pid = other });

        Assert.Equal(group.Pids[0], process.Pid);
        Assert.Equal([other], process.SameSpace!);
        Assert.Equal((1, 32 * 4096), (LiveLinux.TestObjectOf(report).Processes, LiveLinux.TestObjectOf(report).Live.Pte));
        Assert.Equal(0, LiveLinux.TestObjectOf(report).Duplicate);
        Assert.Equal(process.Pid, Assert.Single(asked.Processes).Pid);
        Assert.Equal("present, 4 KiB leaf", RangeReader.Explain(other, 0x400000000000, new ScanOptions()).Entry);
    }

    [Fact]
    public void Forked_processes_of_one_layout_are_spaces_of_their_own()
    {
        using var group = TestProcessGroup.Start(6, ["fork,value=5", .. Memory]);

        var snapshot = LiveLinux.Scan().Snapshot;

        Assert.Equal(group.Pids.Order(), snapshot.Processes.Where(p => group.Pids.Contains(p.Pid)).Select(p => p.Pid));
        Assert.All(snapshot.Processes.Where(p => group.Pids.Contains(p.Pid)), p => Assert.Null(p.SameSpace));
    }

    [Fact]
    public void A_scan_inside_a_PID_namespace_says_what_it_cannot_see()
    {
        if (!LiveLinux.IsRoot)
        {
            Assert.Skip("Only root may make a PID namespace.");
        }

        using var inside = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("unshare", ["--pid", "--fork", "--kill-child", "--mount-proc", "sleep", "600"]))!;
        try
        {
            string? proc = null;
            for (var i = 0; i < 60_000 && proc is null; i++)
            {
                Thread.Sleep(10);
                var child = File.ReadAllText($"/proc/{inside.Id}/task/{inside.Id}/children").Trim();
                var mounted = $"/proc/{child}/root/proc";
                proc = child.Length > 0 && File.Exists(mounted + "/1/comm") && File.ReadAllText(mounted + "/1/comm") == "sleep\n" ? mounted : null;
            }

            Assert.NotNull(proc);
            var snapshot = MachineScanner.Scan(new ScanOptions { Proc = proc });
            var report = ScanAnalysis.Analyse(snapshot, new ReportOptions());

            Assert.Equal([(1, "sleep")], snapshot.Processes.Select(p => (p.Pid, p.Name)));
            Assert.Equal("PID namespace", report.Machine.Unseen);
            Assert.Contains(report.Notes, n => n.Contains("shows one PID namespace", StringComparison.Ordinal) && n.Contains("1 visible", StringComparison.Ordinal));
            Assert.Null(LiveLinux.Scan().Snapshot.Unseen);
        }
        finally
        {
            inside.Kill();
            inside.WaitForExit();
        }
    }

    [Fact]
    public void Threads_of_the_kernel_and_zombies_have_no_tables_and_are_told_apart()
    {
        ProcessStatus Parse(string text) => StatusParser.Parse(System.Text.Encoding.ASCII.GetBytes(text));
        var kernel = Parse("Name:\tkthreadd\nState:\tS (sleeping)\nThreads:\t1\n");
        var zombie = Parse("Name:\tx\nState:\tZ (zombie)\nThreads:\t1\n");
        var leader = Parse("Name:\tx\nState:\tZ (zombie)\nThreads:\t2\n");
        var leaving = Parse("Name:\tx\nState:\tD (disk sleep)\nThreads:\t3\n");
        var process = Parse("Name:\tx\nState:\tS (sleeping)\nThreads:\t3\nVmPTE:\t 8 kB\n");

        Assert.Equal([true, false, false, false, false], new[] { kernel, zombie, leader, leaving, process }.Select(s => s.IsOfKernel));
        Assert.Equal([false, false, true, true, false], new[] { kernel, zombie, leader, leaving, process }.Select(s => s.MayHaveLeftThreads));
    }
}
