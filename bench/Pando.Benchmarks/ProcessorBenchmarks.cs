using BenchmarkDotNet.Attributes;
using Pando.Hardware;
using Pando.Machines;
using Pando.Tables;

namespace Pando.Benchmarks;

/// <summary>
/// The software processor: what one access costs with the lock, the look-up and the eight bytes. To reach: under
/// 15 ns with a warm TLB.
/// </summary>
[ShortRunJob]
[MemoryDiagnoser]
public class ProcessorBenchmarks : IDisposable
{
    private PhysicalMemory? _memory;
    private SoftwareProcessor _processor = null!;
    private BenchSpace _space = null!;
    private BenchSpace _other = null!;

    [GlobalSetup]
    public void Build()
    {
        _memory = new PhysicalMemory(16L << 20, X64Format.FourLevels.Geometry);
        var store = new TableStore(_memory, X64Format.FourLevels);
        _space = new BenchSpace(store);
        _other = new BenchSpace(store);
        _processor = SoftwareProcessor.Create(store, handler: null);
        _processor.Switch(_space);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _memory?.Release();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public ulong WarmLoad4KiB()
    {
        _processor.TryRead(BenchSpace.SmallPage, out ulong value);
        return value;
    }

    [Benchmark]
    public ulong WarmLoad2MiB()
    {
        _processor.TryRead(BenchSpace.LargePage + 0x12340, out ulong value);
        return value;
    }

    [Benchmark]
    public bool WarmStore4KiB() => _processor.TryWrite(BenchSpace.SmallPage, 1UL).IsCompleted;

    [Benchmark]
    public ulong WarmAtomicAdd4KiB()
    {
        _processor.TryAdd(BenchSpace.SmallPage, 1, out ulong before);
        return before;
    }

    [Benchmark]
    public ulong WarmLoadAcrossTwoPages()
    {
        _processor.TryRead(BenchSpace.LargePage + 0xffc, out ulong value);
        return value;
    }

    /// <summary>The leaf is dropped first, so that each load walks one level from a cached upper entry.</summary>
    [Benchmark]
    public ulong DropLeafAndLoad()
    {
        _processor.Drop(_space, AddressRange.FromLength(BenchSpace.SmallPage, X64.PageSize), tables: false);
        _processor.TryRead(BenchSpace.SmallPage, out ulong value);
        return value;
    }

    /// <summary>All of the context is dropped first, so that each load walks four levels.</summary>
    [Benchmark]
    public ulong DropContextAndLoad()
    {
        _processor.InvalidatePcid();
        _processor.TryRead(BenchSpace.SmallPage, out ulong value);
        return value;
    }

    /// <summary>Two spaces in turn, each found again under its PCID.</summary>
    [Benchmark]
    public ulong SwitchTwiceAndLoad()
    {
        _processor.Switch(_other);
        _processor.TryRead(BenchSpace.SmallPage, out ulong value);
        _processor.Switch(_space);
        _processor.TryRead(BenchSpace.SmallPage, out ulong again);
        return value + again;
    }
}
