using BenchmarkDotNet.Attributes;
using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Benchmarks;

/// <summary>One frame allocated, zeroed and given back, by one thread and by several at once (time of each pair of one thread).</summary>
[ShortRunJob]
[MemoryDiagnoser]
public class FrameAllocatorBenchmarks : IDisposable
{
    private const int Pairs = 100_000;

    // More than a processor's cache of frames holds, so that batches go to and from the blocks.
    private const int Held = 512;

    private PhysicalMemory? _memory;
    private FrameAllocator _frames = null!;

    [Params(1, 2, 4)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Build()
    {
        _memory = new PhysicalMemory(256L << 20, X64Format.FourLevels.Geometry);
        _frames = new FrameAllocator(_memory, new Omissions());
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _memory?.Release();
        GC.SuppressFinalize(this);
    }

    [Benchmark(OperationsPerInvoke = Pairs)]
    public void AllocateAndFree()
    {
        var threads = new Thread[Threads - 1];
        for (int i = 0; i < threads.Length; i++)
        {
            threads[i] = new Thread(Work);
            threads[i].Start();
        }

        Work();
        foreach (var thread in threads)
        {
            thread.Join();
        }
    }

    private void Work()
    {
        var held = new Frame[Held];
        for (int done = 0; done < Pairs; done += Held)
        {
            for (int i = 0; i < Held; i++)
            {
                if (!_frames.TryAllocate(FrameKind.Anonymous, out held[i]))
                {
                    throw new InsufficientMemoryException("The benchmark's RAM is too small.");
                }
            }

            foreach (var frame in held)
            {
                _frames.Free(frame);
            }
        }
    }
}
