using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Benchmarks;

/// <summary>A machine with one file of 2 MiB pages over a memory device, wholly faulted in by a first process.</summary>
internal sealed class BenchWorld : IDisposable
{
    public const long SixTiB = 6L << 40;

    private readonly DaxFile _file;

    public BenchWorld(SharingLevels sharing, long size, bool populate = true)
    {
        Machine = new Machine(new MachineOptions { Ram = 4L << 30, Sharing = sharing });
        _file = Machine.AddPmem(size).CreateFile("database", size);
        Request = MapRequest.SharedFile(_file, Rights.ReadWrite);
        First = Machine.CreateSpace();
        Start = First.Map(Request).Value;
        if (populate)
        {
            Populate(First);
        }
    }

    public Machine Machine { get; }

    public MapRequest Request { get; }

    public AddressSpace First { get; }

    public VirtualAddress Start { get; }

    public void Populate(AddressSpace space) => space.Populate(AddressRange.FromLength(Start, _file.Size), AccessKind.Write);

    public void Dispose()
    {
        _file.Dispose();
        Machine.Dispose();
    }
}
