using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Support;

/// <summary>A process of an <see cref="OperationBench"/>: a space, and a processor that runs nothing else.</summary>
internal sealed class BenchProcess
{
    private readonly OperationBench _bench;

    public BenchProcess(OperationBench bench, AddressSpace space, SoftwareProcessor processor)
    {
        _bench = bench;
        Space = space;
        Processor = processor;
        processor.Switch(space);
    }

    public AddressSpace Space { get; }

    public SoftwareProcessor Processor { get; }

    /// <summary>The space's own tables: of PTEs, PMDs, PUDs, and the root.</summary>
    public (int Pte, int Pmd, int Pud, int Root) Own =>
        (Space.TablesAt(Level.Pte), Space.TablesAt(Level.Pmd), Space.TablesAt(Level.Pud), Space.TablesAt(Level.P4d));

    /// <summary>The areas as (start, length, rights), relative to <see cref="OperationBench.At"/>, in pages.</summary>
    public IReadOnlyList<(long Start, long Length, Rights Rights)> Pages =>
        [.. Space.Areas.Select(area => ((area.Range.Start - OperationBench.At) / OperationBench.Page, area.Range.Length / OperationBench.Page, area.Rights))];

    /// <summary>Maps at a fixed address, by default at <see cref="OperationBench.At"/>.</summary>
    public VirtualAddress Map(MapRequest request, VirtualAddress? at = null)
    {
        var result = Space.Map(request with { Address = at ?? OperationBench.At, Placement = MapPlacement.Fixed });
        Assert.Equal(Errno.None, result.Error);
        _bench.Sound();
        return result.Value;
    }

    public BenchProcess Fork() => _bench.Adopt(Space.Fork() ?? throw new InvalidOperationException("Memory is out."));

    public byte Load(VirtualAddress at)
    {
        var result = Processor.TryRead(at, out byte value);
        Assert.True(result.IsCompleted, result.ToString());
        return value;
    }

    public void Store(VirtualAddress at, byte value)
    {
        var result = Processor.TryWrite(at, value);
        Assert.True(result.IsCompleted, result.ToString());
    }

    public AccessOutcome LoadOutcome(VirtualAddress at) => Processor.TryRead(at, out byte _).Outcome;

    public AccessOutcome StoreOutcome(VirtualAddress at, byte value = 0xee) => Processor.TryWrite(at, value).Outcome;

    /// <summary>Whether a load would find a translation without a fault.</summary>
    public bool Sees(VirtualAddress at) => Processor.TryTranslate(at, AccessKind.Read, out _, FaultDelivery.ToCaller).IsCompleted;
}
