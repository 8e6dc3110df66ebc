using Pando.Conformance.Tests.Kernel;
using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Random;

/// <summary>Random operations on the running kernel and on the engine, in step.</summary>
public class RandomConformanceTests
{
    private const int OperationsPerRun = 250;
    private const int Runs = 120;
    private const int MostFailures = 10;
    private const int HugePages = 48;

    /// <summary>PANDO_CONFORMANCE_RUNS: how many runs; PANDO_CONFORMANCE_SEED: the first one's seed.</summary>
    [Fact]
    public void Random_operations_have_the_outcomes_areas_bytes_and_page_tables_of_the_running_kernel()
    {
        Replay.RequireLockstep();
        int runs = Settings.Runs("PANDO_CONFORMANCE_RUNS", Runs);
        int first = Settings.FirstSeed();
        using var pool = HugePagePool.TryAdd(HugePages, out string whyNoHugePages);
        var counts = new LockstepCounts();
        var failures = new List<string>();
        for (int seed = first; seed < first + runs && failures.Count < MostFailures; seed++)
        {
            var run = new RandomRun(seed, hugePages: pool is not null);
            if (run.FailureWithin(OperationsPerRun, counts) is { } failure)
            {
                failures.Add(run.Explain(failure));
            }
        }

        ConformanceReport.Say(
            $"Random operations in step with Linux {File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}, seeds {first} to {first + runs - 1}, {(pool is null ? $"no huge pages ({whyNoHugePages})" : "huge pages in every other run")}{(LockLimit.WhyLimited() is { } limited ? $", no mlock ({limited})" : "")}{KernelFeatures.Running}: {counts}");
        Assert.True(failures.Count == 0, string.Join(Environment.NewLine, failures));

        // Operations that have no sense where they come are passed over; they must not be most.
        Assert.True(counts.Operations > (long)runs * OperationsPerRun / 2, $"{runs} runs made {counts.Operations} operations.");
    }
}
