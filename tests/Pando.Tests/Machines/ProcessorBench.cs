using Pando.Hardware;
using Pando.Machines;
using Pando.Tables;

namespace Pando.Tests.Machines;

/// <summary>A memory, a space, and a processor that has the space loaded.</summary>
internal sealed class ProcessorBench : IDisposable
{
    public static readonly VirtualAddress Here = new(0x12_3456_7000);

    public ProcessorBench(EntryFormat? format = null, FaultHandler? handler = null)
    {
        Memory = new PhysicalMemory(32L << 20, (format ?? X64Format.FourLevels).Geometry);
        Store = new TableStore(Memory, format ?? X64Format.FourLevels);
        Space = new HandMadeSpace(Store);
        Processor = SoftwareProcessor.Create(Store, handler);
        Processor.Switch(Space);
    }

    public PhysicalMemory Memory { get; }

    public TableStore Store { get; }

    public HandMadeSpace Space { get; }

    public SoftwareProcessor Processor { get; }

    /// <summary>A page with a number at its start.</summary>
    public PhysicalAddress Page(ulong firstNumber)
    {
        Assert.True(Store.Frames.TryAllocate(FrameKind.Anonymous, out var frame));
        BitConverter.TryWriteBytes(Memory.Bytes(Memory.AddressOf(frame), sizeof(ulong)), firstNumber);
        return Memory.AddressOf(frame);
    }

    public ulong NumberAt(PhysicalAddress address) => BitConverter.ToUInt64(Memory.Bytes(address, sizeof(ulong)));

    public ulong Read(VirtualAddress address)
    {
        Assert.Equal(default, Processor.TryRead(address, out ulong value));
        return value;
    }

    /// <summary>Makes an access without a handler; null where it was made, else its error code.</summary>
    public PageFaultCode? Probe(VirtualAddress address, AccessKind access)
    {
        var result = Processor.TryTranslate(address, access, out _, FaultDelivery.ToCaller);
        if (result.IsCompleted)
        {
            return null;
        }

        Assert.Equal((AccessOutcome.PageFault, address), (result.Outcome, result.Address));
        return result.Code;
    }

    public bool Drop(VirtualAddress address, bool tables = false, long length = X64.PageSize) =>
        Processor.Drop(Space, AddressRange.FromLength(address, length), tables);

    public void Dispose() => Memory.Release();
}
