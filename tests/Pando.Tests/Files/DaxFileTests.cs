using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Files;

public sealed class DaxFileTests : IDisposable
{
    private const long Mebi = 1L << 20;
    private static readonly LeafLimits Free = new(Level.Pmd, SmallPageReason.None, 0, long.MaxValue);

    private readonly Machine _machine = new(new MachineOptions { Ram = 16 * Mebi });
    private readonly PmemDevice _pmem;
    private readonly DaxFile _file;

    public DaxFileTests()
    {
        _pmem = _machine.AddPmem(64 * Mebi);
        _file = _pmem.CreateFile("pieces", (11 * Mebi) + 1,
        [
            new FileExtent(0, 2 * Mebi, 2 * Mebi),
            new FileExtent(2 * Mebi, (5 * Mebi) + 4096, 2 * Mebi),
            new FileExtent(4 * Mebi, 8 * Mebi, Mebi),
            new FileExtent(8 * Mebi, 12 * Mebi, (3 * Mebi) + 4096),
        ]);
    }

    public void Dispose() => _machine.Dispose();

    [Theory]
    [InlineData(0, SmallPageReason.None)]
    [InlineData((2 * Mebi) - 1, SmallPageReason.None)]
    [InlineData(2 * Mebi, SmallPageReason.PhysicalNotAligned)]
    [InlineData(4 * Mebi, SmallPageReason.Hole)]
    [InlineData(5 * Mebi, SmallPageReason.Hole)]
    [InlineData(6 * Mebi, SmallPageReason.Hole)]
    [InlineData(8 * Mebi, SmallPageReason.None)]
    [InlineData(10 * Mebi, SmallPageReason.EndOfFile)]
    public void The_file_says_why_a_place_has_no_large_page(long offset, SmallPageReason expected)
    {
        Assert.Equal(expected, _file.WhySmall(offset));
        Assert.Equal(expected, _file.WhySmall(offset, Free));
        var page = _file.Find(offset, write: false, Free);
        Assert.Equal(PageStatus.Found, page.Status);
        Assert.Equal(expected, page.Reason);
        Assert.Equal(expected == SmallPageReason.None ? Level.Pmd : Level.Pte, page.Level);
        Assert.Equal(_file.Locate(page.Offset), page.Address);
    }

    [Theory]
    [InlineData(SmallPageReason.NotCongruent)]
    [InlineData(SmallPageReason.Disabled)]
    [InlineData(SmallPageReason.PrivateWrite)]
    [InlineData(SmallPageReason.SmallTable)]
    [InlineData(SmallPageReason.UserFaults)]
    public void What_the_place_forbids_is_the_reason_before_the_file_is_asked(SmallPageReason reason)
    {
        var limits = new LeafLimits(Level.Pte, reason, 0, long.MaxValue);
        Assert.Equal(reason, _file.WhySmall(0, limits));
        Assert.Equal((Level.Pte, reason), (_file.Find(0, true, limits).Level, _file.Find(0, true, limits).Reason));
    }

    [Theory]
    [InlineData(4096L, long.MaxValue)]
    [InlineData(0L, (2 * Mebi) - 4096)]
    public void The_edge_of_a_mapping_is_a_reason(long start, long end) =>
        Assert.Equal(SmallPageReason.MappingEdge, _file.WhySmall(Mebi, new LeafLimits(Level.Pmd, SmallPageReason.None, start, end)));

    [Fact]
    public void The_pages_of_a_small_memory_file_are_a_reason()
    {
        Assert.Equal(SmallPageReason.FilePageSize, _machine.CreateMemoryFile("small", 4 * Mebi).WhySmall(0));
        Assert.Equal(SmallPageReason.None, _machine.CreateMemoryFile("large", 4 * Mebi, 2 * Mebi).WhySmall(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => _machine.CreateMemoryFile("odd", 4 * Mebi, 8192));
        Assert.Throws<ArgumentOutOfRangeException>(() => _machine.CreateMemoryFile("negative", -1));
    }

    [Fact]
    public void Memory_that_has_failed_is_a_reason_for_the_2_MiB_around_it()
    {
        Assert.Equal(SmallPageReason.None, _file.WhySmall(0));
        Assert.Equal(Errno.None, _file.Poison(4096));
        Assert.Equal(SmallPageReason.Poisoned, _file.WhySmall(0));
        Assert.Equal(PageStatus.Found, _file.Find(8192, false, Free).Status);
        Assert.Equal(PageStatus.Poisoned, _file.Find(4096, false, Free with { HighestLevel = Level.Pte }).Status);
    }

    [Fact]
    public void A_memory_file_may_be_empty_and_grow()
    {
        var file = _machine.CreateMemoryFile("empty", 0);
        Assert.Null(file.Locate(0));
        using var epoch = _machine.Store.Epochs.Enter();
        Assert.Equal(PageStatus.PastEnd, file.Find(0, true, Free).Status);
        Assert.Equal(Errno.None, file.SetSize(4096));
        Assert.Equal(PageStatus.Found, file.Find(0, true, Free).Status);
    }

    [Fact]
    public void Every_reason_is_the_answer_to_some_question()
    {
        SmallPageReason[] tested =
        [
            SmallPageReason.None, SmallPageReason.PhysicalNotAligned, SmallPageReason.ExtentTooShort, SmallPageReason.Hole, SmallPageReason.EndOfFile,
            SmallPageReason.NotCongruent, SmallPageReason.Disabled, SmallPageReason.PrivateWrite, SmallPageReason.SmallTable, SmallPageReason.MappingEdge,
            SmallPageReason.FilePageSize, SmallPageReason.Poisoned, SmallPageReason.UserFaults,
            SmallPageReason.PartlyWritten, SmallPageReason.PartlyShared, // WindowJudgeTests
            SmallPageReason.SmallEntriesFirst, SmallPageReason.KernelWithoutPmd, // a live Linux: Pando.Linux
        ];
        Assert.Equal(Enum.GetValues<SmallPageReason>(), tested.Order());
    }

    [Fact]
    public void Bytes_lie_in_their_extents_or_in_the_page_of_zeroes_and_end_with_the_last_page()
    {
        Assert.Equal(_pmem.Start + (2 * Mebi) + 5, _file.Locate(5));
        Assert.Equal(_pmem.Start + (5 * Mebi) + 4096, _file.Locate(2 * Mebi));
        Assert.Equal(_machine.VirtualMemory.ZeroPageAddress + 7, _file.Locate((6 * Mebi) + 7));
        Assert.NotNull(_file.Locate((11 * Mebi) + 4095));
        Assert.Null(_file.Locate((11 * Mebi) + 4096));
        Assert.Null(_file.Locate(-1));
        Assert.Equal(PageStatus.PastEnd, _file.Find((11 * Mebi) + 4096, false, Free).Status);
        Assert.Equal(PageStatus.PastEnd, _file.Find(-1, false, Free).Status);
        Assert.Equal(PageStatus.MustGiveStorage, _file.Find(6 * Mebi, true, Free).Status);
    }

    [Fact]
    public void A_hole_gets_2_MiB_where_it_and_the_device_have_room_and_4_KiB_otherwise()
    {
        Assert.Equal(PageStatus.Found, _file.GiveStorage((6 * Mebi) + 4096));
        Assert.Equal(SmallPageReason.None, _file.WhySmall(6 * Mebi));
        Assert.Equal(PageStatus.Found, _file.GiveStorage(5 * Mebi));
        Assert.Equal(SmallPageReason.Hole, _file.WhySmall((5 * Mebi) + 4096));
        Assert.Equal(PageStatus.Found, _file.GiveStorage(5 * Mebi));
        Assert.Contains(new FileExtent(6 * Mebi, 0, 2 * Mebi), _file.Extents);
        Assert.Contains(_file.Extents, extent => extent.FileOffset == 5 * Mebi && extent.Length == 4096);

        // What continues what is there becomes one extent with it.
        long count = _file.Extents.Count;
        Assert.Equal(PageStatus.Found, _file.GiveStorage((5 * Mebi) + 4096));
        Assert.Equal(count, _file.Extents.Count);
    }

    [Fact]
    public void A_full_device_refuses_a_store_to_a_hole_with_a_bus_error()
    {
        var tight = _machine.AddPmem(8192);
        var file = tight.CreateFile("sparse", 4 * Mebi, []);
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        Assert.True(space.Fault(at, AccessKind.Write).IsResolved);
        Assert.True(space.Fault(at + (3 * Mebi), AccessKind.Write).IsResolved);
        Assert.Equal(FaultKind.BusError, space.Fault(at + 4096, AccessKind.Write).Kind);
        Assert.True(space.Fault(at + 4096, AccessKind.Read).IsResolved);
        Assert.Equal(0, tight.FreeBytes);
        _machine.Audit().ThrowIfUnsound();
        space.Exit();
        file.Dispose();
        Assert.Equal(8192, tight.FreeBytes);
    }
}
