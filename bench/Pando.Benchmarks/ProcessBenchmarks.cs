using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Pando.Spaces;

namespace Pando.Benchmarks;

/// <summary>
/// Life and death of one process that maps 6 TiB. To reach: exit under 1 ms at 1 GiB sharing, where it has 6,144
/// slots; attach (map, divided by slots) under 60 ns.
/// </summary>
[SimpleJob(RunStrategy.Monitoring, launchCount: 1, warmupCount: 40, iterationCount: 60, invocationCount: 1)]
public class ProcessBenchmarks : IDisposable
{
    private BenchWorld _world = null!;
    private AddressSpace? _space;

    [Params(SharingLevels.UpTo512GiB, SharingLevels.UpTo1GiB)]
    public SharingLevels Sharing { get; set; }

    [GlobalSetup]
    public void Build() => _world = new BenchWorld(Sharing, BenchWorld.SixTiB);

    [GlobalCleanup]
    public void Dispose()
    {
        _world.Dispose();
        GC.SuppressFinalize(this);
    }

    [IterationSetup(Target = nameof(Map))]
    public void Create() => _space = _world.Machine.CreateSpace();

    [IterationSetup(Target = nameof(Exit))]
    public void CreateMapped()
    {
        Create();
        Map();
    }

    [IterationCleanup]
    public void End() => _space!.Exit();

    [Benchmark]
    public void Map() => _space!.Map(_world.Request);

    [Benchmark]
    public void Fork() => _space = _world.First.Fork();

    [Benchmark]
    public void Exit() => _space!.Exit();
}
