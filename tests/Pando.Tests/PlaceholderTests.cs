using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Tests;

public class SmokeTests
{
    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.UpTo1GiB)]
    [InlineData(SharingLevels.UpTo2MiB)]
    [InlineData(SharingLevels.None)]
    public void Smoke(SharingLevels sharing)
    {
        using var machine = new Machine(new MachineOptions { Ram = 64 << 20, Sharing = sharing });
        var pmem = machine.AddPmem(4L << 30, PmemBacking.Sparse);
        using var file = pmem.CreateFile("db", 3L << 30);
        var a = machine.CreateSpace();
        var b = machine.CreateSpace();
        var at = a.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        var bt = b.Map(MapRequest.SharedFile(file, Rights.Read)).Value;
        machine.Audit().ThrowIfUnsound();
        Assert.True(a.Fault(at + 0x12345678, AccessKind.Write).IsResolved);
        machine.Audit().ThrowIfUnsound();
        var second = b.Fault(bt + 0x12345678, AccessKind.Read);
        Assert.True(second.IsResolved);
        machine.Audit().ThrowIfUnsound();
        Assert.Equal(FaultKind.NotAllowed, b.Fault(bt, AccessKind.Write).Kind);
        a.Populate(AddressRange.FromLength(at, 3L << 30), AccessKind.Read);
        machine.Audit().ThrowIfUnsound();
        Assert.Equal(Errno.None, a.Unmap(at + (5 << 20), 4096));
        machine.Audit().ThrowIfUnsound();
        var c = a.Fork()!;
        machine.Audit().ThrowIfUnsound();
        var anon = a.Map(MapRequest.Anonymous(1 << 20, Rights.ReadWrite)).Value;
        a.Fault(anon, AccessKind.Write);
        var priv = a.Map(MapRequest.PrivateFile(file, Rights.ReadWrite)).Value;
        machine.Audit().ThrowIfUnsound();
        a.Fault(priv + 4096, AccessKind.Read);
        machine.Audit().ThrowIfUnsound();
        a.Fault(priv + 4096, AccessKind.Write);
        machine.Audit().ThrowIfUnsound();
        var d = a.Fork()!;
        machine.Audit().ThrowIfUnsound();
        d.Fault(anon, AccessKind.Write);
        a.Fault(anon, AccessKind.Write);
        d.Fault(priv + 4096, AccessKind.Write);
        machine.Audit().ThrowIfUnsound();
        a.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Length = 4096, Offset = 5 << 20, Address = at + (5 << 20), Placement = MapPlacement.Fixed });
        machine.Audit().ThrowIfUnsound();
        foreach (var s in new[] { a, b, c, d })
        {
            s.Exit();
            machine.Audit().ThrowIfUnsound();
        }

        file.Dispose();
        machine.Reclaim();
        machine.Audit().ThrowIfUnsound();
        Assert.Equal(1, machine.FramesInUse);
        Assert.True(machine.Count(TableEvent.Attached) == machine.Count(TableEvent.Detached));
    }
}
