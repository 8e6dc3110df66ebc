using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Benchmarks;

/// <summary>
/// A fault on a page that the file has, into a table that exists: one of 262,144 faults in a row. To reach: under
/// 250 ns, and no managed memory.
/// </summary>
[SimpleJob(RunStrategy.Monitoring, launchCount: 1, warmupCount: 5, iterationCount: 15, invocationCount: 1)]
[MemoryDiagnoser]
public class FaultBenchmarks : IDisposable
{
    private const int Pages = 512 * 512;

    private BenchWorld _world = null!;

    [Params(SharingLevels.UpTo512GiB, SharingLevels.None)]
    public SharingLevels Sharing { get; set; }

    [IterationSetup]
    public void Build()
    {
        _world = new BenchWorld(Sharing, Pages * X64.EntrySpan(Level.Pmd), populate: false);

        // The tables, by one fault in each GiB.
        for (int i = 0; i < Pages; i += X64.Entries)
        {
            Fault(i);
        }
    }

    [IterationCleanup]
    public void Dispose()
    {
        _world.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark(OperationsPerInvoke = Pages - 512)]
    public void Populate()
    {
        for (int i = 0; i < Pages; i++)
        {
            if (i % X64.Entries != 0)
            {
                Fault(i);
            }
        }
    }

    private void Fault(int page)
    {
        if (!_world.First.Fault(_world.Start + (page * X64.EntrySpan(Level.Pmd)), AccessKind.Read).IsResolved)
        {
            throw new InvalidOperationException("A page of the file could not be faulted in.");
        }
    }
}
