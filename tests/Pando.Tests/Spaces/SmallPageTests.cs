using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Spaces;

public class SmallPageTests
{
    [Fact]
    public void With_large_pages_off_a_DAX_file_that_would_allow_them_is_shown_by_4_KiB_pages()
    {
        using var machine = new Machine(new MachineOptions { Ram = 64 << 20, LargePages = false });
        using var file = machine.AddPmem(1L << 30).CreateFile("database", 8 << 20);
        var space = machine.CreateSpace();
        var start = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;

        Assert.Equal(FaultKind.Populated, space.Fault(start + 0x3123, AccessKind.Write).Kind);

        var audit = machine.Audit();
        audit.ThrowIfUnsound();
        Assert.Equal(1, audit.Leaves);
    }

    [Fact]
    public void A_memory_file_of_2_MiB_pages_is_shown_by_4_KiB_pages_where_address_and_offset_differ()
    {
        using var machine = new Machine(new MachineOptions { Ram = 64 << 20 });
        using var file = machine.CreateMemoryFile("shared", 8 << 20, 2 << 20);
        var space = machine.CreateSpace();
        var start = new VirtualAddress(0x4000_1000);
        var request = MapRequest.SharedFile(file, Rights.ReadWrite) with { Address = start, Placement = MapPlacement.Fixed };
        Assert.Equal(start, space.Map(request).Value);

        Assert.Equal(FaultKind.Populated, space.Fault(start + 0x3123, AccessKind.Write).Kind);

        var audit = machine.Audit();
        audit.ThrowIfUnsound();
        Assert.Equal(1, audit.Leaves);
    }
}
