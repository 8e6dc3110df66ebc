using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Pando.Spaces;

namespace Pando.Benchmarks;

/// <summary>What exit costs a process that has all tables of 6 TiB for itself: 3,145,728 leaves.</summary>
[SimpleJob(RunStrategy.Monitoring, launchCount: 1, warmupCount: 3, iterationCount: 10, invocationCount: 1)]
public class UnsharedExitBenchmarks : IDisposable
{
    private BenchWorld _world = null!;
    private AddressSpace _space = null!;

    [GlobalSetup]
    public void Build() => _world = new BenchWorld(SharingLevels.None, BenchWorld.SixTiB, populate: false);

    [GlobalCleanup]
    public void Dispose()
    {
        _world.Dispose();
        GC.SuppressFinalize(this);
    }

    [IterationSetup]
    public void CreatePopulated()
    {
        _space = _world.Machine.CreateSpace();
        _space.Map(_world.Request);
        _world.Populate(_space);
    }

    [Benchmark]
    public void Exit() => _space.Exit();
}
