using BenchmarkDotNet.Attributes;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Benchmarks;

/// <summary>
/// File-wide changes of 2 MiB of a file that many processes map, eight of which run on processors with warm TLBs. The
/// cost must be that of the file's tables and the processors, not of the processes: to reach, 10,000 processes within
/// a factor of 2 of one.
/// </summary>
[ShortRunJob]
public class FileWideBenchmarks : IDisposable
{
    private const long Block = 2L << 20;
    private const int Processors = 8;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly List<SoftwareProcessor> _processors = [];
    private Machine? _machine;
    private PmemDevice _device = null!;
    private DaxFile _file = null!;

    [Params(1, 100, 10_000)]
    public int Processes { get; set; }

    [GlobalSetup]
    public void Build()
    {
        _machine = new Machine(new MachineOptions { Ram = 256L << 20 });
        _device = _machine.AddPmem(16L << 40, PmemBacking.None);
        _file = _device.CreateFile("database", 1L << 30);
        for (int i = 0; i < Processes; i++)
        {
            var space = _machine.CreateSpace();
            var result = space.Map(MapRequest.SharedFile(_file, Rights.ReadWrite) with { Address = At, Placement = MapPlacement.Fixed });
            if (!result.Succeeded)
            {
                throw new InvalidOperationException($"Process {i} could not map the file: {result.Error}.");
            }

            if (i < Processors)
            {
                var processor = _machine.AddProcessor();
                processor.Switch(space);
                _processors.Add(processor);
            }
        }

        // One process has eight processors where there is only one: the flush reaches as many as with more.
        while (_processors.Count < Processors)
        {
            var processor = _machine.AddProcessor();
            processor.Switch(_machine.Spaces[0]);
            _processors.Add(processor);
        }
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _machine?.Dispose();
        _machine = null;
        GC.SuppressFinalize(this);
    }

    /// <summary>A hole of 2 MiB, filled again by the first store after it.</summary>
    [Benchmark]
    public void PunchHole()
    {
        Touch();
        Require(_file.PunchHole(0, Block));
    }

    [Benchmark]
    public void WriteBack()
    {
        Touch();
        Require(_file.WriteBack(0, Block));
    }

    /// <summary>Moved to the next free 2 MiB; the device is large enough for all rounds.</summary>
    [Benchmark]
    public void Migrate()
    {
        Touch();
        Require(_device.Migrate(_file.Extents[0].DeviceOffset, Block));
    }

    private void Touch()
    {
        foreach (var processor in _processors)
        {
            if (!processor.TryTranslate(At, AccessKind.Write, out _).IsCompleted)
            {
                throw new InvalidOperationException("The store was not possible.");
            }
        }
    }

    private static void Require(Errno outcome)
    {
        if (outcome != Errno.None)
        {
            throw new InvalidOperationException($"The change ended in {outcome}.");
        }
    }
}
