using System.Diagnostics;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

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
            LiveLinux.WaitUntilTablesAreFreed();
            Script("up", directory, "off", $"{Connections}");
            var (before, report) = LiveLinux.Scan(exact: false);
            var segment = report.Objects.First(o => o.Kind == ObjectKind.SharedAnonymous && o.Processes >= Connections);
            var cure = segment.Cures.Single(c => c.Id == "hugetlb-2m-shared");
            Script("down", directory);

            using var pages = LiveLinux.ReserveHugePages((segment.MappedBytes / (2 << 20)) + 16);
            LiveLinux.WaitUntilTablesAreFreed();
            Script("up", directory, "on", $"{Connections}");
            var (after, reportAfter) = LiveLinux.Scan(exact: false);
            var hugetlb = reportAfter.Objects.First(o => o.Kind == ObjectKind.Hugetlb && o.Processes >= Connections);
            Script("down", directory);

            var tablesBefore = ServerTables(before);
            var tablesAfter = ServerTables(after);
            var measured = tablesBefore - tablesAfter;
            var error = Math.Abs(cure.SavedBytes!.Value - measured) / (double)measured;
            output.WriteLine($"before {ByteText.Size(tablesBefore)} (segment {ByteText.Size(segment.TableBytes)}), predicted after {ByteText.Size(tablesBefore - cure.SavedBytes.Value)} (saves {ByteText.Size(cure.SavedBytes.Value)}, segment {ByteText.Size(cure.BytesAfter!.Value)}), measured after {ByteText.Size(tablesAfter)} (saves {ByteText.Size(measured)}, segment {ByteText.Size(hugetlb.TableBytes)}); saving predicted to {error:P2}");
            Assert.True(error < 0.03, $"predicted a saving of {cure.SavedBytes}, measured {measured}");
            // What remains is small, and much of it is the sessions' private memory, which differs from run to run.
            Assert.InRange(tablesBefore - cure.SavedBytes.Value, tablesAfter * 0.9, tablesAfter * 1.1);
            Assert.True(hugetlb.Sharing!.SharingProcesses >= Connections);
        }
        finally
        {
            Script("remove", directory);
        }
    }

    /// <summary>The kernel's counter, less the tables of processes that have nothing to do with the server. What the
    /// kernel needs for itself is in it both times.</summary>
    private static long ServerTables(MachineSnapshot snapshot) =>
        snapshot.Machine.PageTableBytes - snapshot.Processes.Where(p => p.Name is not ("postgres" or "psql" or "runuser")).Sum(p => p.TableBytes + 4096);

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
        using var process = Process.Start(start)!;
        var text = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, text);
    }
}
