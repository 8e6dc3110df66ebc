using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Spaces;

/// <summary>Every error of map and unmap, compared with mmap(2) and munmap(2) of Linux on x86-64.</summary>
public sealed class MapErrorTests : IDisposable
{
    private const ulong Last = (1UL << 47) - 8192;
    private const ulong Taken = 0x4000_0000_0000;

    private readonly Machine _machine = new(new MachineOptions { Ram = 4 << 20 });
    private readonly AddressSpace _space;

    public MapErrorTests()
    {
        _space = _machine.CreateSpace();
        Assert.True(_space.Map(At(Taken, 8192, MapPlacement.Fixed)).Succeeded);
    }

    public void Dispose() => _machine.Dispose();

    public static TheoryData<ulong, long, MapPlacement, Errno> Requests => new()
    {
        { 0, 0, MapPlacement.Anywhere, Errno.EINVAL },
        { 0, -1, MapPlacement.Anywhere, Errno.ENOMEM },
        { 0, -4096, MapPlacement.Anywhere, Errno.ENOMEM },
        { Taken, long.MinValue, MapPlacement.Fixed, Errno.ENOMEM },
        { Taken + 1, -1, MapPlacement.Fixed, Errno.ENOMEM },
        { Taken + 1, 4096, MapPlacement.Fixed, Errno.EINVAL },
        { Taken + 1, 4096, MapPlacement.FixedNoReplace, Errno.EINVAL },
        { Last, 4096, MapPlacement.Fixed, Errno.None },
        { Last, 4097, MapPlacement.Fixed, Errno.ENOMEM },
        { Last + 4096, 4096, MapPlacement.Fixed, Errno.ENOMEM },
        { Last + 4097, 4096, MapPlacement.Fixed, Errno.ENOMEM },
        { ulong.MaxValue - 4095, 4096, MapPlacement.Fixed, Errno.ENOMEM },
        { Taken, 1L << 47, MapPlacement.Fixed, Errno.ENOMEM },
        { 0, long.MaxValue, MapPlacement.Anywhere, Errno.ENOMEM },
        { 0, long.MaxValue - 8191, MapPlacement.Anywhere, Errno.ENOMEM },
        { 0, (1L << 47) - 4096, MapPlacement.Anywhere, Errno.ENOMEM },
        { 0, 4096, MapPlacement.Fixed, Errno.EPERM },
        { 0xf000, 4096, MapPlacement.FixedNoReplace, Errno.EPERM },
        { 0x10000, 4096, MapPlacement.Fixed, Errno.None },
        { Taken, 4096, MapPlacement.FixedNoReplace, Errno.EEXIST },
        { Taken - 4096, 8192, MapPlacement.FixedNoReplace, Errno.EEXIST },
        { Taken + 4096, 8192, MapPlacement.FixedNoReplace, Errno.EEXIST },
        { Taken - 4096, 4096, MapPlacement.FixedNoReplace, Errno.None },
        { Taken + 8192, 4096, MapPlacement.FixedNoReplace, Errno.None },
    };

    [Theory]
    [MemberData(nameof(Requests))]
    public void A_request_is_refused_with_the_error_of_Linux_and_changes_nothing(ulong address, long length, MapPlacement placement, Errno expected)
    {
        var before = _space.Areas;
        var result = _space.Map(At(address, length, placement));
        Assert.Equal(expected, result.Error);
        if (expected == Errno.None)
        {
            Assert.Equal(address, result.Value.Value);
        }
        else
        {
            Assert.Equal(before, _space.Areas);
            Assert.Throws<InvalidOperationException>(() => result.Value);
        }

        _machine.Audit().ThrowIfUnsound();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4095)]
    [InlineData(-1)]
    [InlineData(long.MinValue + 1)]
    public void An_offset_that_is_no_page_of_a_file_is_refused(long offset)
    {
        var file = _machine.CreateMemoryFile("file", 8192);
        Assert.Equal(Errno.EINVAL, _space.Map(MapRequest.SharedFile(file, Rights.Read) with { Offset = offset }).Error);
    }

    [Theory]
    [InlineData(-4096)]
    [InlineData(long.MinValue)]
    [InlineData((long.MaxValue - 8191) & -4096)]
    [InlineData(1L << 61)]
    public void An_offset_beyond_where_files_end_is_refused_and_memory_without_a_name_has_none(long offset)
    {
        var file = _machine.CreateMemoryFile("file", 8192);
        Assert.Equal(Errno.EOVERFLOW, _space.Map(MapRequest.SharedFile(file, Rights.Read) with { Offset = offset }).Error);
        foreach (bool shared in new[] { false, true })
        {
            var at = _space.Map(MapRequest.Anonymous(8192, Rights.ReadWrite) with { Offset = offset, Shared = shared }).Value;
            Assert.Equal(FaultKind.Populated, _space.Populate(AddressRange.FromLength(at, 8192), AccessKind.Write).Kind);
            Assert.Equal(0, _space.Areas.Single(area => area.Range.Start == at).Offset);
        }

        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void Errors_come_in_the_order_of_Linux()
    {
        const long last = long.MaxValue - 4095;
        var file = _machine.CreateMemoryFile("file", 8192);
        var closed = MapRequest.SharedFile(file, Rights.ReadWrite) with { OpenedFor = Rights.Read, Address = new VirtualAddress(Taken) };
        Errno Map(MapRequest request) => _space.Map(request).Error;

        // The length, the place, the offset, how the file was opened, what lies there.
        Assert.Equal(Errno.ENOMEM, Map(closed with { Length = 1L << 47, Offset = last, Placement = MapPlacement.FixedNoReplace }));
        Assert.Equal(Errno.ENOMEM, Map(closed with { Address = new VirtualAddress(Last + 4096), Offset = last, Placement = MapPlacement.Fixed }));
        Assert.Equal(Errno.EEXIST, Map(closed with { Offset = last, Placement = MapPlacement.FixedNoReplace }));
        Assert.Equal(Errno.EOVERFLOW, Map(closed with { Offset = last, Placement = MapPlacement.Fixed }));
        Assert.Equal(Errno.None, _space.Seal(new VirtualAddress(Taken), 8192));
        Assert.Equal(Errno.EACCES, Map(closed with { Placement = MapPlacement.Fixed }));
        Assert.Equal(Errno.EPERM, Map(closed with { OpenedFor = Rights.All, Placement = MapPlacement.Fixed }));
        Assert.Single(_space.Areas);
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void Rights_that_do_not_exist_are_refused() =>
        Assert.Equal(Errno.EINVAL, _space.Map(new MapRequest(4096, (Rights)8)).Error);

    [Theory]
    [InlineData(Taken + 1, 4096L, Errno.EINVAL)]
    [InlineData(Taken, 0L, Errno.EINVAL)]
    [InlineData(Taken, -4096L, Errno.EINVAL)]
    [InlineData(Taken, 1L << 47, Errno.EINVAL)]
    [InlineData(Last, 4096L, Errno.None)]
    [InlineData(Last, 4097L, Errno.EINVAL)]
    [InlineData(Last + 4096, 4096L, Errno.EINVAL)]
    [InlineData(0UL, 4096L, Errno.None)]
    [InlineData(0UL, (1L << 47) - 4096, Errno.None)]
    [InlineData(Taken, 1L, Errno.None)]
    public void Unmapping_gives_the_error_of_Linux(ulong address, long length, Errno expected)
    {
        Assert.Equal(expected, _space.Unmap(new VirtualAddress(address), length));
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void Unmapping_one_byte_unmaps_its_page()
    {
        Assert.Equal(Errno.None, _space.Unmap(new VirtualAddress(Taken), 1));
        Assert.Equal(Taken + 4096, Assert.Single(_space.Areas).Range.Start.Value);
    }

    [Theory]
    [InlineData(0x5000_0000_1fffUL, 0x5000_0000_1000UL)]
    [InlineData(0x1800UL, 0x10000UL)]
    [InlineData(0x5000_0000_0000UL, 0x5000_0000_0000UL)]
    public void A_free_hint_is_taken_in_whole_pages(ulong hint, ulong expected) =>
        Assert.Equal(expected, _space.Map(At(hint, 4096, MapPlacement.Anywhere)).Value.Value);

    [Theory]
    [InlineData(0x800UL)]
    [InlineData(Taken)]
    [InlineData(Last + 4096)]
    [InlineData(ulong.MaxValue)]
    public void A_hint_that_cannot_be_taken_is_only_a_hint(ulong hint)
    {
        ulong chosen = _space.Map(At(hint, 4096, MapPlacement.Anywhere)).Value.Value;
        Assert.NotEqual(hint & ~4095UL, chosen);
        Assert.Equal(0UL, chosen % 4096);
        Assert.Equal(2, _space.Areas.Count);
    }

    private static MapRequest At(ulong address, long length, MapPlacement placement) =>
        MapRequest.Anonymous(length, Rights.Read) with { Address = new VirtualAddress(address), Placement = placement };
}
