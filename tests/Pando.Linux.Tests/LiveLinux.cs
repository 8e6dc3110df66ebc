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
    /// <summary>What the memfds of the test processes are called without a name of their own: this program's, since others may test
    /// beside it.</summary>
    public static readonly string TestName = $"pando-test-{Environment.ProcessId}.";

    public static readonly string TestObject = $"memfd:{TestName}";

    internal static bool IsRoot => LibC.EffectiveUser() == 0;

    internal static (MachineSnapshot Snapshot, ScanReport Report) Scan(bool exact = true, bool plain = false, int? at = null)
    {
        // With time enough, or a sample is smaller where the machine is busy.
        var snapshot = MachineScanner.Scan(new ScanOptions { Exact = exact, PlainPagemap = plain, MostSampleTime = TimeSpan.FromHours(1) });
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
        var pool = Pando.Tests.Shared.HugePagePool.TryAdd((int)pages, out var whyNot);
        if (pool is null)
        {
            Assert.Skip(whyNot);
        }

        return pool;
    }
}
