using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Tests.Machines;

/// <summary>What is left of a machine that has ended can be asked and told anything, and touches no memory.</summary>
public sealed class MachineEndTests : IDisposable
{
    private const long Page = X64.PageSize;
    private const long Mebi = 1L << 20;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly Machine _machine = new(new MachineOptions { Ram = 16 * Mebi });
    private readonly DaxFile _dax;
    private readonly MemoryFile _memoryFile;
    private readonly AddressSpace _space;
    private readonly SoftwareProcessor _processor;

    public MachineEndTests()
    {
        _dax = _machine.AddPmem(16 * Mebi).CreateFile("data", 4 * Mebi);
        _memoryFile = _machine.CreateMemoryFile("memory", 4 * Mebi);
        _space = _machine.CreateSpace();
        Map(MapRequest.SharedFile(_dax, Rights.ReadWrite), 0);
        Map(MapRequest.PrivateFile(_memoryFile, Rights.ReadWrite), 4 * Mebi);
        Map(MapRequest.Anonymous(4 * Mebi, Rights.ReadWrite), 8 * Mebi);
        _processor = _machine.AddProcessor();
        _processor.Switch(_space);
        for (long at = 0; at < 12 * Mebi; at += 4 * Mebi)
        {
            Assert.True(_processor.TryWrite(At + at, 1).IsCompleted);
        }

        _machine.Dispose();
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_processor_has_no_space_loaded_and_loads_none()
    {
        for (long at = 0; at < 12 * Mebi; at += 4 * Mebi)
        {
            Assert.Equal(AccessOutcome.NoSpace, _processor.TryRead(At + at, out int _).Outcome);
            Assert.Equal(AccessOutcome.NoSpace, _processor.TryWrite(At + at, 2).Outcome);
            Assert.Contains("no space is loaded", _processor.DescribeWalk(At + at), StringComparison.Ordinal);
        }

        Assert.Throws<ObjectDisposedException>(() => _processor.Switch(_space));
        _processor.InvalidateAll();
        _processor.Switch(null);
    }

    [Fact]
    public void A_space_has_exited()
    {
        _space.Exit();
        Assert.True(_space.HasExited);
        Assert.Empty(_space.Areas);
        Assert.Equal(FaultKind.NotMapped, _space.Fault(At, AccessKind.Write).Kind);
        Assert.Throws<ObjectDisposedException>(() => _space.Map(MapRequest.Anonymous(Page, Rights.Read)));
        Assert.Throws<ObjectDisposedException>(() => _space.Map(MapRequest.SharedFile(_memoryFile, Rights.Read)));
        Assert.Throws<ObjectDisposedException>(_space.Fork);
        Assert.Throws<ObjectDisposedException>(() => _space.Unmap(At, Page));
    }

    [Fact]
    public void A_file_has_ended()
    {
        Assert.True(_dax.HasEnded);
        Assert.True(_memoryFile.HasEnded);
        Assert.Null(_memoryFile.Locate(0));
        Assert.Empty(_dax.Extents);
        Assert.Equal(0, _dax.Tables.Reclaim());
        _dax.Dispose();
        _memoryFile.Dispose();
        _dax.Device.Dispose();
    }

    [Fact]
    public void The_memory_has_no_bytes()
    {
        var memory = _machine.Memory;
        Assert.False(memory.HasBytes(new PhysicalAddress(0)));
        Assert.False(memory.HasBytes(_dax.Device.Start));
        Assert.Throws<InvalidOperationException>(() => memory.Bytes(new PhysicalAddress(0), 1).Length);
        Assert.Empty(memory.Regions);
    }

    [Fact]
    public void The_machine_says_so()
    {
        Assert.Throws<ObjectDisposedException>(() => _machine.AddPmem(Mebi));
        Assert.Throws<ObjectDisposedException>(() => _machine.CreateMemoryFile("late", Page));
        Assert.Throws<ObjectDisposedException>(() => _machine.CreateHugeFile("late", 2 * Mebi));
        Assert.Throws<ObjectDisposedException>(_machine.CreateSpace);
        Assert.Throws<ObjectDisposedException>(_machine.AddProcessor);
        Assert.Throws<ObjectDisposedException>(() => _machine.Reclaim());
        Assert.Throws<ObjectDisposedException>(_machine.Tables);
        Assert.Throws<ObjectDisposedException>(_machine.TableShares);
        Assert.Throws<ObjectDisposedException>(_machine.Audit);
        Assert.Throws<ObjectDisposedException>(() => _machine.Spaces);
        Assert.Throws<ObjectDisposedException>(() => _machine.FramesInUse);
        Assert.True(_machine.Count(TableEvent.LeafPopulated) > 0);
    }

    private void Map(MapRequest request, long at) =>
        Assert.True(_space.Map(request with { Address = At + at, Placement = MapPlacement.Fixed }).Succeeded);
}
