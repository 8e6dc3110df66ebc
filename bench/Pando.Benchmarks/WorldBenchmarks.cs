using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Pando.Spaces;

namespace Pando.Benchmarks;

/// <summary>
/// The thread's world, 10,000 processes that map 6 TiB, from nothing. To reach on two cores: 2 s shared at 512 GiB,
/// 6 s shared at 1 GiB.
/// </summary>
[SimpleJob(RunStrategy.Monitoring, launchCount: 1, warmupCount: 1, iterationCount: 5, invocationCount: 1)]
public class WorldBenchmarks : IDisposable
{
    private const int Processes = 10_000;

    private BenchWorld? _world;

    [Params(SharingLevels.UpTo512GiB, SharingLevels.UpTo1GiB)]
    public SharingLevels Sharing { get; set; }

    [IterationCleanup]
    public void Dispose()
    {
        _world?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public void Build()
    {
        _world = new BenchWorld(Sharing, BenchWorld.SixTiB);
        Parallel.For(1, Processes, _ => _world.Machine.CreateSpace().Map(_world.Request));
    }
}
