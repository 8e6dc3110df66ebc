using Pando.Linux.Analysis;
using Pando.Linux.Native;
using Pando.Linux.Proc;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>What the tests on live processes have in common.</summary>
[CollectionDefinition(nameof(LiveLinux), DisableParallelization = true)]
public class LiveLinux
{
    public const string TestObject = "memfd:pando-test";
    private const string Pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

    internal static bool IsRoot => LibC.EffectiveUser() == 0;

    internal static (MachineSnapshot Snapshot, ScanReport Report) Scan(bool exact = true, bool plain = false, int? at = null)
    {
        var snapshot = MachineScanner.Scan(new ScanOptions { Exact = exact, PlainPagemap = plain });
        return (snapshot, ScanAnalysis.Analyse(snapshot, new ReportOptions { At = at }));
    }

    internal static ObjectReport TestObjectOf(ScanReport report) => Assert.Single(report.Objects, o => o.Name.Contains(TestObject, StringComparison.Ordinal));

    /// <summary>Tables of processes that ended are freed late, and counted until then: waits until what PageTables
    /// has beyond the processes' own stops falling.</summary>
    internal static void WaitUntilTablesAreFreed()
    {
        var last = long.MaxValue;
        for (var i = 0; i < 40; i++)
        {
            var machine = Scan(exact: false).Report.Machine;
            if (machine.OtherBytes > last - (64 << 10))
            {
                return;
            }

            last = machine.OtherBytes;
            Thread.Sleep(500);
        }
    }

    /// <summary>Reserves huge pages for the test, or skips it with the reason.</summary>
    internal static IDisposable ReserveHugePages(long pages)
    {
        if (!IsRoot)
        {
            Assert.Skip("Reserving huge pages needs root.");
        }

        if (!File.Exists(Pool))
        {
            Assert.Skip("The kernel has no pool of 2 MiB huge pages.");
        }

        var before = long.Parse(File.ReadAllText(Pool));
        var reservation = new Reservation(before);
        File.WriteAllText(Pool, (before + pages).ToString());
        var got = long.Parse(File.ReadAllText(Pool)) - before;
        if (got < pages)
        {
            reservation.Dispose();
            Assert.Skip($"The machine gave {got} of {pages} huge pages.");
        }

        return reservation;
    }

    private sealed class Reservation(long before) : IDisposable
    {
        public void Dispose() => File.WriteAllText(Pool, before.ToString());
    }
}
