using System.Diagnostics;
using System.Globalization;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Tests;

/// <summary>
/// One real server: what scan predicts for huge pages, against what the kernel counts after they are switched on.
/// Takes a few minutes and 9 GiB of memory.
/// </summary>
[Collection(nameof(LiveLinux))]
public class LivePostgresTests(ITestOutputHelper output)
{
    private const int Connections = 100;
    private const long NeededMemory = 12L << 30;
    private const long NeededDisk = 8L << 30;

    [Fact]
    public void The_prediction_for_huge_pages_is_what_PostgreSQL_needs_after_the_switch_within_3_percent()
    {
        SkipUnlessPossible();
        var directory = Directory.CreateTempSubdirectory("pando-postgres-").FullName;
        try
        {
            Script("create", directory);
            Script("up", directory, "off", $"{Connections}");
            var (before, report) = LiveLinux.Scan(exact: false);
            var segment = report.Objects.First(o => o.Kind == ObjectKind.SharedAnonymous && o.Processes >= Connections);
            var tablesBefore = ServerTables(before, directory);
            var cure = segment.Cures.Single(c => c.Id == "hugetlb-2m-shared");
            Script("down", directory);

            using var pages = LiveLinux.ReserveHugePages((segment.MappedBytes / (2 << 20)) + 16);
            Script("up", directory, "on", $"{Connections}");
            var (after, reportAfter) = LiveLinux.Scan(exact: false);
            var hugetlb = reportAfter.Objects.First(o => o.Kind == ObjectKind.Hugetlb && o.Processes >= Connections);
            var tablesAfter = ServerTables(after, directory);
            Script("down", directory);

            var measured = tablesBefore.Bytes - tablesAfter.Bytes;
            var error = Math.Abs(cure.SavedBytes!.Value - measured) / (double)measured;
            var predicted = tablesBefore.Bytes - cure.SavedBytes.Value;
            var seen = $"before {tablesBefore} (segment {ByteText.Size(segment.TableBytes)}), predicted after {ByteText.Size(predicted)} (saves {ByteText.Size(cure.SavedBytes.Value)}, segment {ByteText.Size(cure.BytesAfter!.Value)}), measured after {tablesAfter} (saves {ByteText.Size(measured)}, segment {ByteText.Size(hugetlb.TableBytes)}); saving predicted to {error:P2}";
            output.WriteLine(seen);
            Assert.True(tablesAfter.Processes == tablesBefore.Processes, $"The server had other processes the second time: {seen}");
            Assert.True(error < 0.03, $"The saving is off by 3% or more: {seen}");
            // What remains is small, and much of it is the sessions' private memory, which differs from run to run.
            Assert.True(Math.Abs(predicted - tablesAfter.Bytes) <= tablesAfter.Bytes * 0.1, $"What remains is off by more than 10%: {seen}");
            Assert.True(hugetlb.Sharing!.SharingProcesses >= Connections);
        }
        finally
        {
            Script("remove", directory);
        }
    }

    /// <summary>
    /// The tables of the server's own processes, by the kernel's counter of each (VmPTE, and the root that is not in it). A shared table of
    /// PMDs counts for each process that has it there, and is one: /proc/kpagecount says how many tables there really are. Nothing
    /// else that the machine does is in it.
    /// </summary>
    private static Tables ServerTables(MachineSnapshot snapshot, string directory)
    {
        var postmaster = int.Parse(File.ReadLines(Path.Combine(directory, "data", "postmaster.pid")).First(), CultureInfo.InvariantCulture);
        var server = snapshot.Processes.Where(p => p.Pid == postmaster || ParentOf(p.Pid) == postmaster).ToDictionary(p => p.Pid);
        Assert.All(server.Values, p => Assert.Null(p.StuckState));
        var probes = snapshot.Probes.Where(probe => probe.Present.Any(server.ContainsKey)).ToList();
        Assert.All(probes, probe => Assert.True(probe.Tables is not null && probe.Present.All(server.ContainsKey), $"the probe at {probe.Offset} does not tell the server's tables: {probe}"));
        return new Tables(
            server.Count,
            server.Values.Sum(p => p.TableBytes + 4096),
            probes.Sum(probe => probe.Present.Count - probe.Tables!.Value) * 4096,
            snapshot.Machine.PageTableBytes);
    }

    private static int ParentOf(int pid)
    {
        try
        {
            var line = File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith("PPid:", StringComparison.Ordinal));
            return int.Parse(line.AsSpan(5), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return 0; // it has ended
        }
    }

    /// <param name="Processes">How many processes the server has.</param>
    /// <param name="Counted">What the kernel counts for them in all.</param>
    /// <param name="CountedAgain">How much of it is the same shared tables once more.</param>
    /// <param name="Machine">The whole machine's tables at that time, for messages: neighbours are in it.</param>
    private readonly record struct Tables(int Processes, long Counted, long CountedAgain, long Machine)
    {
        public long Bytes => Counted - CountedAgain;

        public override string ToString() =>
            $"{ByteText.Size(Bytes)} in {Processes} processes ({ByteText.Size(Counted)} by VmPTE, {ByteText.Size(CountedAgain)} of it the same tables again; the whole machine {ByteText.Size(Machine)})";
    }

    private static void SkipUnlessPossible()
    {
        if (!LiveLinux.IsRoot)
        {
            Assert.Skip("Starting PostgreSQL as its own user and reserving huge pages needs root.");
        }

        if (GC.GetGCMemoryInfo().TotalAvailableMemoryBytes < NeededMemory)
        {
            Assert.Skip($"Needs {ByteText.Size(NeededMemory)} of memory.");
        }

        if (new DriveInfo(Path.GetTempPath()).AvailableFreeSpace < NeededDisk)
        {
            Assert.Skip($"Needs {ByteText.Size(NeededDisk)} free in {Path.GetTempPath()}.");
        }

        if (Run("check").Code != 0)
        {
            Assert.Skip("PostgreSQL is not installed; `scripts/postgres.sh install` installs it from the distribution's packages.");
        }
    }

    private static void Script(params string[] arguments)
    {
        var (code, text) = Run(arguments);
        Assert.True(code == 0, $"scripts/postgres.sh {string.Join(' ', arguments)}: {text}");
    }

    private static (int Code, string Text) Run(params string[] arguments)
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "Pando.slnx")))
        {
            root = root.Parent;
        }

        // Connections stay when the script ends: only standard error is read, which they do not hold.
        var start = new ProcessStartInfo(Path.Combine(root!.FullName, "scripts", "postgres.sh"), arguments) { RedirectStandardError = true, WorkingDirectory = "/" };
        using var layout = FixedLayout.Begin();
        using var process = Process.Start(start)!;
        var text = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, text);
    }
}
