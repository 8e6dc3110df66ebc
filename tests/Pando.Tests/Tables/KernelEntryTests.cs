using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Tables;

public sealed class KernelEntryTests : IDisposable
{
    private static readonly Entry Kernel = new(0x3fff_0000_0063);

    private readonly Machine _machine = new(new MachineOptions { Ram = 32L << 20 });

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Every_root_has_the_kernels_entry_and_no_operation_on_a_space_touches_it()
    {
        _machine.VirtualMemory.KernelEntry = (511, Kernel);
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.Anonymous(1 << 20, Rights.ReadWrite)).Value;
        Assert.True(space.Populate(AddressRange.FromLength(at, 1 << 20), AccessKind.Write).IsResolved);
        var child = space.Fork()!;
        space.Clear();
        Assert.Equal((Kernel, Kernel), (RootEntry(space), RootEntry(child)));
        _machine.Audit().ThrowIfUnsound();

        space.Exit();
        child.Exit();
        _machine.Audit().ThrowIfUnsound();
        Assert.Empty(_machine.Spaces);
    }

    [Fact]
    public void A_root_that_lost_the_kernels_entry_is_reported()
    {
        _machine.VirtualMemory.KernelEntry = (511, Kernel);
        var space = _machine.CreateSpace();
        _machine.Store.Prepare(space.Root, 511, Entry.None);
        var violation = Assert.Single(_machine.Audit().Violations);
        Assert.Contains("the kernel's is", violation, StringComparison.Ordinal);
    }

    [Fact]
    public void The_kernels_entry_is_refused_once_spaces_exist_and_where_user_addresses_are()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _machine.VirtualMemory.KernelEntry = (255, Kernel));
        _machine.CreateSpace();
        Assert.Throws<InvalidOperationException>(() => _machine.VirtualMemory.KernelEntry = (511, Kernel));
    }

    private Entry RootEntry(AddressSpace space) => _machine.Store.Read(space.Root, 511);
}
