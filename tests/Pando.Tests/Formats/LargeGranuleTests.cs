using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Formats;

/// <summary>What pages of 64 KiB ask of the engine, by name; the random runs make the rest.</summary>
public sealed class LargeGranuleTests : IDisposable
{
    private const long Page = 64 << 10;
    private const long Block = 512L << 20;
    private static readonly VirtualAddress At = new(8UL << 40);

    private readonly Machine _machine = new(new MachineOptions { Ram = 32L << 20, Format = ToyLargeGranule.Instance });

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void RAM_may_end_within_a_block_and_every_frame_of_it_is_handed_out()
    {
        var space = _machine.CreateSpace();
        Assert.True(space.Map(MapRequest.Anonymous(64L << 20, Rights.ReadWrite) with { Address = At, Placement = MapPlacement.Fixed }).Succeeded);
        var outcome = space.Populate(AddressRange.FromLength(At, 64L << 20), AccessKind.Write);
        Assert.Equal(FaultKind.OutOfMemory, outcome.Kind);

        // 512 frames: one is none, one of zeroes, the root, two tables, and what is noted of no file.
        Assert.Equal((512 - 5) * Page, outcome.Address - At);
        _machine.Audit().ThrowIfUnsound();
        space.Exit();
        _machine.Reclaim();
        Assert.Equal(1, _machine.FramesInUse);
    }

    [Fact]
    public void A_DAX_file_is_shown_by_leaves_of_512_MiB_that_two_spaces_share_and_one_cuts()
    {
        using var device = _machine.AddPmem(2 * Block, PmemBacking.None, start: new PhysicalAddress((ulong)(2 * Block)));
        var file = device.CreateFile("data", 2 * Block);
        var (one, two) = (Map(file), Map(file));
        Assert.Equal(FaultKind.Populated, one.Fault(At, AccessKind.Write).Kind);
        Assert.Equal(FaultKind.Spurious, two.Fault(At + Block - 1, AccessKind.Write).Kind);
        Assert.Equal((0, 1), (file.Tables.TablesAt(Level.Pte), file.Tables.TablesAt(Level.Pmd)));
        Assert.Equal(Block, file.DirtyBytes);
        Assert.Equal(Errno.None, one.Unmap(At + (5 * Page), Page));
        Assert.Equal(FaultKind.NotMapped, one.Fault(At + (5 * Page), AccessKind.Read).Kind);
        Assert.True(one.Fault(At + (6 * Page), AccessKind.Write).IsResolved);
        Assert.Equal(FaultKind.Spurious, two.Fault(At + (5 * Page), AccessKind.Write).Kind);
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void User_code_has_all_of_the_root_and_no_kernel_lies_there()
    {
        var space = _machine.CreateSpace();
        var top = space.UserEnd - Page;
        Assert.Equal(1UL << 48, space.UserEnd.Value);
        Assert.Equal(top, space.Map(MapRequest.Anonymous(Page, Rights.ReadWrite)).Value);
        var processor = _machine.AddProcessor();
        processor.Switch(space);
        Assert.True(processor.TryWrite(top + Page - 8, 7UL).IsCompleted);
        Assert.Equal(AccessOutcome.GeneralProtection, processor.TryWrite(top + Page, 7UL).Outcome);
        Assert.Throws<InvalidOperationException>(() => _machine.VirtualMemory.KernelEntry = (63, new Entry(1)));
        space.Exit();
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void Arguments_go_by_the_page_size()
    {
        var space = _machine.CreateSpace();
        Assert.Equal(Errno.EINVAL, space.Map(MapRequest.Anonymous(Page, Rights.Read) with { Address = At + 4096, Placement = MapPlacement.Fixed }).Error);
        Assert.True(space.Map(MapRequest.Anonymous(1, Rights.Read) with { Address = At, Placement = MapPlacement.Fixed }).Succeeded);
        Assert.Equal(Page, space.Areas.Single().Range.Length);
        Assert.Equal(Errno.EINVAL, space.Protect(At + 4096, 4096, Rights.ReadWrite));
        Assert.Throws<ArgumentOutOfRangeException>(() => _machine.CreateMemoryFile("small", Page, 4096));
        Assert.Throws<ArgumentOutOfRangeException>(() => _machine.AddPmem(Page + 4096));
    }

    private AddressSpace Map(MappedFile file)
    {
        var space = _machine.CreateSpace();
        Assert.Equal(At, space.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Address = At, Placement = MapPlacement.Fixed }).Value);
        return space;
    }
}
