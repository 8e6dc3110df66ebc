using System.Diagnostics;
using Pando.Linux.Analysis;
using Pando.Linux.Proc;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>
/// Processes of which the kernel gives no answer, since they hold their mmap_lock for ever. A pipe that nobody writes
/// blocks its reader the same way.
/// </summary>
[Collection(nameof(LiveLinux))]
public sealed class StuckProcessTests : IDisposable
{
    private const string Map = "7f0000000000-7f0040000000 rw-s 00000000 00:01 1057       /dev/zero (deleted)\n";

    // In memory: reading from a disk to which others write may itself take a second.
    private readonly string _proc = Directory.Exists("/dev/shm") ? Directory.CreateDirectory($"/dev/shm/pando-test-{Guid.NewGuid():N}").FullName : Directory.CreateTempSubdirectory().FullName;
    private readonly List<string> _pipes = [];

    public void Dispose()
    {
        _pipes.ForEach(LetGo);
        Directory.Delete(_proc, recursive: true);
    }

    [Fact]
    public void A_process_whose_maps_never_come_is_named_and_counted_and_the_others_are_read()
    {
        AddProcess(42, "server", "S (sleeping)", 8208);
        AddProcess(43, "exe", "D (disk sleep)", 32);
        AddProcess(44, "client", "S (sleeping)", 100);
        Block(43, "maps");

        var snapshot = MachineScanner.Scan(new ScanOptions { Proc = _proc });
        var report = ScanAnalysis.Analyse(snapshot, new ReportOptions());

        Assert.Equal([(42, "server", null), (43, "exe", "D"), (44, "client", null)], snapshot.Processes.Select(p => (p.Pid, p.Name, p.StuckState)));
        Assert.Equal([1, null, 1], snapshot.Processes.Select(p => p.Mappings?.Count));
        Assert.Equal((8208 + 32 + 100) * 1024, report.Machine.SumVmPteBytes);
        Assert.Equal(2, Assert.Single(report.Objects).Processes);
        Assert.Equal([("D", 32 * 1024L)], report.Processes.Where(p => p.StuckState is not null).Select(p => (p.StuckState, p.TableBytes)));
        Assert.Equal(
            "stuck: 43 exe in state D, its memory map cannot be read (no answer from the kernel in 1 s): its VmPTE of 32 KiB counts, and is not placed.",
            Assert.Single(report.Notes, n => n.StartsWith("stuck", StringComparison.Ordinal)));
        Assert.DoesNotContain(report.Notes, n => n.Contains("may not be read by this user", StringComparison.Ordinal));
        Assert.Equal(ReportJson.Write(report), ReportJson.Write(ReportJson.ReadScan(ReportJson.Write(report))!));
    }

    [Fact]
    public void More_stuck_processes_than_reading_threads_hold_up_nobody()
    {
        AddProcess(100, "server", "S (sleeping)", 8208);
        var count = (Environment.ProcessorCount * 2) + 9;
        for (var i = 1; i <= count; i++)
        {
            AddProcess(i, "exe", "D (disk sleep)", 32);
            Block(i, "maps");
        }

        var snapshot = MachineScanner.Scan(new ScanOptions { Proc = _proc });

        Assert.Equal(count, snapshot.Processes.Count(p => p.StuckState == "D"));
        Assert.Single(snapshot.Processes.Single(p => p.Pid == 100).Mappings!);
        Assert.Equal(8, snapshot.Notes.Count(n => n.StartsWith("stuck: ", StringComparison.Ordinal)));
        Assert.Contains($"{count - 8} more processes are stuck like these.", snapshot.Notes);
    }

    [Fact]
    public void A_process_that_gets_stuck_after_its_maps_were_read_keeps_them_and_is_named()
    {
        AddProcess(42, "server", "S (sleeping)", 8208);
        AddProcess(43, "server", "D (disk sleep)", 8208);
        Block(43, "pagemap");

        var snapshot = MachineScanner.Scan(new ScanOptions { Proc = _proc });

        Assert.Equal([null, "D"], snapshot.Processes.Select(p => p.StuckState));
        Assert.Equal([1, 1], snapshot.Processes.Select(p => p.Mappings!.Count));
        Assert.All(snapshot.Processes, p => Assert.Null(p.Populated));
        Assert.Contains("its pages cannot be read", Assert.Single(snapshot.Notes, n => n.StartsWith("stuck: 43 server in state D", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains("1 processes refused to be read to the page.", snapshot.Notes);
    }

    [Fact]
    public void Questions_about_a_stuck_process_get_a_line_that_says_so()
    {
        AddProcess(43, "exe", "D (disk sleep)", 32);
        Block(43, "maps");
        var options = new ScanOptions { Proc = _proc };

        var explained = Assert.Throws<ReportException>(() => RangeReader.Explain(43, 0x7f0000000000, options)).Message;
        var scanned = Assert.Throws<ReportException>(() => ScanAnalysis.Analyse(MachineScanner.Scan(options), new ReportOptions { Pid = 43 })).Message;

        Assert.StartsWith("Process 43 (exe) is stuck in the kernel, in state D: its memory map cannot be read", explained, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', explained);
        Assert.Equal(explained, scanned);
    }

    [Fact]
    public void A_saved_scan_remembers_who_was_stuck()
    {
        AddProcess(43, "exe", "D (disk sleep)", 32);
        Block(43, "maps");
        var path = Path.Combine(_proc, "snapshot");
        var snapshot = MachineScanner.Scan(new ScanOptions { Proc = _proc });

        SnapshotFile.Save(snapshot, path);

        Assert.Equal(
            ReportJson.Write(ScanAnalysis.Analyse(snapshot, new ReportOptions())),
            ReportJson.Write(ScanAnalysis.Analyse(SnapshotFile.Load(path), new ReportOptions())));
        Assert.Equal("D", Assert.Single(SnapshotFile.Load(path).Processes).StuckState);
    }

    [Fact]
    public void Scanning_again_leaves_no_second_thread_behind_and_reads_a_process_that_got_on()
    {
        AddProcess(43, "exe", "D (disk sleep)", 32);
        Block(43, "maps");
        var options = new ScanOptions { Proc = _proc };
        var before = Readers(); // other tests' scans of the machine may have met a stuck process there

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal("D", Assert.Single(MachineScanner.Scan(options).Processes).StuckState);
            Assert.Equal(1, NewReaders(before, expected: 1));
        }

        _pipes.ForEach(LetGo);
        Assert.Equal(0, NewReaders(before, expected: 0));
        File.Delete(Path.Combine(_proc, "43", "maps"));
        File.WriteAllText(Path.Combine(_proc, "43", "maps"), Map);
        _pipes.Clear();

        var process = Assert.Single(MachineScanner.Scan(options).Processes);
        Assert.Null(process.StuckState);
        Assert.Single(process.Mappings!);
    }

    private void AddProcess(int pid, string name, string state, int kilobytes)
    {
        var directory = Directory.CreateDirectory(Path.Combine(_proc, $"{pid}")).FullName;
        File.WriteAllText(Path.Combine(directory, "status"), $"Name:\t{name}\nState:\t{state}\nUid:\t1\t1\t1\t1\nVmPTE:\t{kilobytes} kB\n");
        File.WriteAllText(Path.Combine(directory, "maps"), Map);
    }

    private void Block(int pid, string file)
    {
        var path = Path.Combine(_proc, $"{pid}", file);
        File.Delete(path);
        using var make = Process.Start("mkfifo", path);
        make.WaitForExit();
        Assert.Equal(0, make.ExitCode);
        _pipes.Add(path);
    }

    /// <summary>A writer that goes at once: the reader gets an empty file.</summary>
    private static void LetGo(string pipe) => new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite).Dispose();

    /// <summary>Threads of the scanner that were not there before, when there are as many as expected or after ten
    /// minutes: those that have nothing left to do end a moment after the scan.</summary>
    private static int NewReaders(HashSet<string> before, int expected)
    {
        for (var i = 0; ; i++)
        {
            var count = Readers().Count(task => !before.Contains(task));
            if (count == expected || i == 60_000)
            {
                return count;
            }

            Thread.Sleep(10);
        }
    }

    private static HashSet<string> Readers() => [.. Directory.EnumerateDirectories("/proc/self/task").Where(IsReader)];

    private static bool IsReader(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")) == "pando reader\n";
        }
        catch (IOException)
        {
            return false; // ended
        }
    }
}
