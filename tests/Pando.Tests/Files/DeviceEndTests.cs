using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Files;

/// <summary>A device that is closed while processes use it: they go on, and the host's memory goes with the last file.</summary>
public sealed class DeviceEndTests : IDisposable
{
    private const long Page = X64.PageSize;
    private const long Mebi = 1L << 20;

    private readonly Machine _machine = new(new MachineOptions { Ram = 8 * Mebi });
    private readonly PmemDevice _device;
    private readonly DaxFile _file;
    private readonly AddressSpace _space;
    private readonly SoftwareProcessor _processor;
    private readonly VirtualAddress _at;

    public DeviceEndTests()
    {
        _device = _machine.AddPmem(8 * Mebi);
        _file = _device.CreateFile("data", 4 * Mebi);
        _space = _machine.CreateSpace();
        _at = _space.Map(MapRequest.SharedFile(_file, Rights.ReadWrite)).Value;
        _processor = _machine.AddProcessor();
        _processor.Switch(_space);
        Assert.True(_processor.TryWrite(_at, 42).IsCompleted);
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Who_maps_a_file_of_a_closed_device_loads_and_stores_on()
    {
        _device.Dispose();
        _file.Dispose();
        Assert.True(_processor.TryRead(_at, out int value).IsCompleted);
        Assert.Equal(42, value);
        Assert.True(_processor.TryWrite(_at + (2 * Mebi), 43).IsCompleted);
        var child = _space.Fork()!;
        _processor.Switch(child);
        Assert.True(_processor.TryRead(_at + (2 * Mebi), out value).IsCompleted);
        Assert.Equal(43, value);
        Assert.Equal(Errno.None, _space.Sync(_at, 4 * Mebi));
        _machine.Audit().ThrowIfUnsound();
        Assert.True(_machine.Memory.HasBytes(_device.Start));

        // With the last who maps it, its bytes go; its addresses stay what they were.
        _space.Exit();
        Assert.True(_machine.Memory.HasBytes(_device.Start));
        child.Exit();
        Assert.True(_file.HasEnded);
        Assert.False(_machine.Memory.HasBytes(_device.Start));
        Assert.Equal(AccessOutcome.NoSpace, _processor.TryRead(_at, out value).Outcome);
        Assert.Throws<ArgumentException>(() => _machine.AddPmem(Mebi, start: _device.Start));
        Assert.NotEqual(_device.Start, _machine.AddPmem(Mebi).Start);
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void Nothing_more_is_done_with_a_closed_device()
    {
        _device.Dispose();
        _device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => _device.CreateFile("late", Page));
        Assert.Throws<ObjectDisposedException>(() => _device.CreateFile("late", Page, []));
        Assert.Throws<ObjectDisposedException>(() => _device.Migrate(0, Page));
        Assert.Throws<ObjectDisposedException>(() => _device.Poison(0));
        Assert.Throws<ObjectDisposedException>(() => _device.Sync(0, Page));
        Assert.Equal(4 * Mebi, _device.FreeBytes);

        // What concerns its files alone goes on.
        Assert.Equal(Errno.None, _file.PunchHole(0, 2 * Mebi));
        Assert.True(_processor.TryWrite(_at, 1).IsCompleted);
        Assert.Equal(Errno.None, _file.Poison(Page));
        Assert.Equal(AccessOutcome.HardwarePoison, _processor.TryRead(_at + Page, out int _).Outcome);
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void A_device_that_cannot_be_added_leaves_nothing_behind()
    {
        int regions = _machine.Memory.Regions.Count;
        Assert.Throws<ArgumentException>(() => _machine.AddPmem(Mebi, start: _device.Start + Mebi));
        Assert.Throws<ArgumentOutOfRangeException>(() => _machine.AddPmem(Mebi, start: new PhysicalAddress(1UL << 60)));
        Assert.Throws<ArgumentOutOfRangeException>(() => _machine.AddPmem(Page + 1));
        Assert.Equal(regions, _machine.Memory.Regions.Count);
    }
}
