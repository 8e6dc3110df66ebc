using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Tests.Spaces;

/// <summary>A fault allocates no managed memory: a garbage collection in the fault handler would stop every process.</summary>
public sealed class FaultAllocationTests : IDisposable
{
    private const long Mebi = 1L << 20;
    private const long Gibi = 1L << 30;
    private const int Pages = 2000;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly Machine _machine = new(new MachineOptions { Ram = 128 * Mebi, LargePages = false });
    private readonly AddressSpace _space;

    public FaultAllocationTests() => _space = _machine.CreateSpace();

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Populating_allocates_nothing()
    {
        Map(_space, MapRequest.SharedFile(_machine.AddPmem(2 * Gibi).CreateFile("data", Gibi), Rights.ReadWrite));
        AssertNothing(TableEvent.FaultPopulated, page => _space.Fault(At + (page * 4096L), AccessKind.Read));
    }

    [Fact]
    public void Write_enabling_allocates_nothing()
    {
        Map(_space, MapRequest.SharedFile(_machine.AddPmem(2 * Gibi).CreateFile("data", Gibi), Rights.ReadWrite));
        Assert.True(_space.Populate(AddressRange.FromLength(At, 2 * Pages * 4096L), AccessKind.Read).IsResolved);
        AssertNothing(TableEvent.FaultWriteEnabled, page => _space.Fault(At + (page * 4096L), AccessKind.Write));
    }

    [Fact]
    public void Attaching_allocates_nothing()
    {
        // Tables of PTEs are attached by faults.
        using var machine = new Machine(new MachineOptions { Ram = 128 * Mebi, LargePages = false, Sharing = SharingLevels.UpTo2MiB });
        var file = machine.AddPmem(16 * Gibi, Pando.Files.PmemBacking.None).CreateFile("data", 9 * Gibi);
        var (one, two) = (machine.CreateSpace(), machine.CreateSpace());
        Map(one, MapRequest.SharedFile(file, Rights.ReadWrite));
        Map(two, MapRequest.SharedFile(file, Rights.ReadWrite));
        for (int page = 0; page < 2 * Pages; page++)
        {
            Assert.True(one.Fault(At + (page * 2 * Mebi), AccessKind.Read).IsResolved);
        }

        AssertNothing(machine, TableEvent.FaultAttached, page => two.Fault(At + (page * 2 * Mebi), AccessKind.Read));
    }

    [Fact]
    public void Anonymous_memory_allocates_nothing()
    {
        Map(_space, MapRequest.Anonymous(Gibi, Rights.ReadWrite));
        AssertNothing(TableEvent.FaultCopied, page => _space.Fault(At + (page * 4096L), AccessKind.Write));
    }

    [Fact]
    public void The_first_touch_of_a_memory_file_allocates_nothing()
    {
        Map(_space, MapRequest.SharedFile(_machine.CreateMemoryFile("memory", 64 * Mebi), Rights.ReadWrite));
        AssertNothing(TableEvent.FaultPopulated, page => _space.Fault(At + (page * 4096L), AccessKind.Write));
    }

    [Fact]
    public void Copying_on_write_allocates_nothing()
    {
        Map(_space, MapRequest.PrivateFile(_machine.AddPmem(2 * Gibi).CreateFile("data", Gibi), Rights.ReadWrite));
        Assert.True(_space.Populate(AddressRange.FromLength(At, 2 * Pages * 4096L), AccessKind.Read).IsResolved);
        AssertNothing(TableEvent.FaultCopied, page => _space.Fault(At + (page * 4096L), AccessKind.Write));
    }

    [Fact]
    public void Copying_on_write_after_a_fork_allocates_nothing()
    {
        Map(_space, MapRequest.Anonymous(Gibi, Rights.ReadWrite));
        Assert.True(_space.Populate(AddressRange.FromLength(At, 2 * Pages * 4096L), AccessKind.Write).IsResolved);
        var child = _space.Fork()!;
        AssertNothing(TableEvent.FaultCopied, page => child.Fault(At + (page * 4096L), AccessKind.Write));
    }

    [Fact]
    public void Spurious_faults_and_faults_that_fail_allocate_nothing()
    {
        Map(_space, MapRequest.SharedFile(_machine.AddPmem(2 * Gibi).CreateFile("data", Gibi), Rights.Read));
        Assert.True(_space.Populate(AddressRange.FromLength(At, 2 * Pages * 4096L), AccessKind.Read).IsResolved);
        AssertNothing(TableEvent.FaultSpurious, page => _space.Fault(At + (page * 4096L), AccessKind.Read));
        AssertNothing(TableEvent.FaultFailed, page => _space.Fault(At + (page * 4096L), AccessKind.Write));
        AssertNothing(TableEvent.FaultFailed, page => _space.Fault(At - 4096, AccessKind.Read));
    }

    private void AssertNothing(TableEvent kind, Func<int, FaultResult> fault) => AssertNothing(_machine, kind, fault);

    /// <summary>Half of the pages warm the code up; for the other half, this thread's allocations are counted.</summary>
    private static void AssertNothing(Machine machine, TableEvent kind, Func<int, FaultResult> fault)
    {
        for (int page = 0; page < Pages; page++)
        {
            fault(page);
        }

        long before = machine.Count(kind);
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        for (int page = Pages; page < 2 * Pages; page++)
        {
            fault(page);
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;

        // A few faults of another kind build the way: one for every table of PTEs.
        Assert.InRange(machine.Count(kind) - before, Pages - 8, Pages);
        Assert.Equal(0, allocated);
    }

    private static void Map(AddressSpace space, MapRequest request) =>
        Assert.Equal(At, space.Map(request with { Address = At, Placement = MapPlacement.Fixed }).Value);
}
