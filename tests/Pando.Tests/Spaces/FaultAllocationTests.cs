using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Spaces;

public class FaultAllocationTests
{
    [Theory]
    [InlineData(SharingLevels.None)]
    [InlineData(SharingLevels.UpTo2MiB)]
    [InlineData(SharingLevels.UpTo1GiB)]
    [InlineData(SharingLevels.All)]
    public void Faults_allocate_no_managed_memory(SharingLevels sharing)
    {
        using var machine = new Machine(new MachineOptions { Ram = 256 << 20, Sharing = sharing });
        using var large = machine.AddPmem(8L << 30, PmemBacking.None).CreateFile("large pages", 8L << 30);
        using var small = machine.CreateMemoryFile("small pages", 64 << 20);
        var space = machine.CreateSpace();
        var largeAt = space.Map(MapRequest.SharedFile(large, Rights.ReadWrite)).Value;
        var smallAt = space.Map(MapRequest.SharedFile(small, Rights.ReadWrite)).Value;
        var anonymous = space.Map(MapRequest.Anonymous(64 << 20, Rights.ReadWrite)).Value;

        // Once to make what is made once: code, the file's index.
        FaultAll(space, largeAt, smallAt, anonymous, first: 0, count: 2);

        long before = GC.GetAllocatedBytesForCurrentThread();
        FaultAll(space, largeAt, smallAt, anonymous, first: 2, count: 3000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void FaultAll(AddressSpace space, VirtualAddress large, VirtualAddress small, VirtualAddress anonymous, int first, int count)
    {
        for (int i = first; i < first + count; i++)
        {
            bool resolved = space.Fault(large + (i * Level.EntrySpan(Level.Pmd)), AccessKind.Read).IsResolved
                & space.Fault(large + (i * Level.EntrySpan(Level.Pmd)), AccessKind.Write).IsResolved
                & space.Fault(small + (i * Level.PageSize), AccessKind.Write).IsResolved
                & space.Fault(anonymous + (i * Level.PageSize), AccessKind.Write).IsResolved;
            if (!resolved)
            {
                throw new InvalidOperationException($"The fault on page {i} was not resolved.");
            }
        }
    }
}
