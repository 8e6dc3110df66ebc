using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Spaces;

public class AddressChoiceTests
{
    private const long Mebi = 1L << 20;
    private const long Gibi = 1L << 30;

    [Theory]
    [InlineData(SharingLevels.All, 4, 3 * 64 * Gibi, 512 * Gibi)]
    [InlineData(SharingLevels.All, 4, Gibi, Gibi)]
    [InlineData(SharingLevels.All, 4, 2 * Mebi, 2 * Mebi)]
    [InlineData(SharingLevels.UpTo1GiB, 4, 3 * 64 * Gibi, Gibi)]
    [InlineData(SharingLevels.None, 4, 4 * Gibi, 2 * Mebi)]
    [InlineData(SharingLevels.All, 5, 3 * 64 * Gibi, 512 * Gibi)]
    public void A_file_lies_in_line_with_the_largest_span_that_it_fills(SharingLevels sharing, int levels, long length, long alignment)
    {
        using var machine = Make(sharing, levels);
        var file = machine.AddPmem(2 * Gibi, Pando.Files.PmemBacking.None).CreateFile("file", Gibi);
        var space = machine.CreateSpace();
        foreach (long offset in (long[])[0, 4096, Gibi + (6 * Mebi) + 8192])
        {
            var at = space.Map(new MapRequest(length, Rights.Read) { File = file, Shared = true, Offset = offset }).Value;
            Assert.Equal(offset & (alignment - 1), (long)(at.Value & (ulong)(alignment - 1)));
        }

        machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void What_is_mapped_after_a_file_does_not_break_the_window_at_its_end()
    {
        using var machine = Make(SharingLevels.All, 4);
        var file = machine.CreateMemoryFile("file", 8 * Mebi);
        var space = machine.CreateSpace();
        var first = space.Map(MapRequest.SharedFile(file, Rights.Read) with { Length = (2 * Mebi) + 4096 }).Value;
        var second = space.Map(MapRequest.SharedFile(file, Rights.Read) with { Length = (2 * Mebi) + 4096 }).Value;
        Assert.False(X64.SpanOf(first + (2 * Mebi), Level.Pte).Contains(second));
        Assert.False(X64.SpanOf(second + (2 * Mebi), Level.Pte).Contains(first));
    }

    [Fact]
    public void Anonymous_memory_lies_below_the_top_one_piece_under_the_other()
    {
        using var machine = Make(SharingLevels.All, 4);
        var space = machine.CreateSpace();
        var first = space.Map(MapRequest.Anonymous(4096, Rights.Read)).Value;
        var second = space.Map(MapRequest.Anonymous(8192, Rights.ReadWrite)).Value;
        Assert.Equal(machine.Format.Geometry.UserEnd - 4096, first);
        Assert.Equal(first - 8192, second);
    }

    [Fact]
    public void A_gap_that_fits_exactly_is_found_and_one_that_is_too_small_is_not()
    {
        using var machine = Make(SharingLevels.None, 4);
        var space = machine.CreateSpace();
        var low = new VirtualAddress(AddressSpace.LowestAddress);
        var gap = new VirtualAddress(0x1234_5000);
        Assert.True(space.Map(Fixed(low, gap - low)).Succeeded);
        Assert.True(space.Map(Fixed(gap + 8192, machine.Format.Geometry.UserEnd - gap - 8192)).Succeeded);
        Assert.Equal(Errno.ENOMEM, space.Map(MapRequest.Anonymous(8193, Rights.Read)).Error);
        Assert.Equal(gap, space.Map(MapRequest.Anonymous(8192, Rights.ReadWrite)).Value);
        Assert.Equal(Errno.ENOMEM, space.Map(MapRequest.Anonymous(1, Rights.Read)).Error);
        Assert.Equal(Errno.None, space.Unmap(low, 4096));
        Assert.Equal(low, space.Map(MapRequest.Anonymous(1, Rights.ReadWrite)).Value);
    }

    private static MapRequest Fixed(VirtualAddress at, long length) =>
        MapRequest.Anonymous(length, Rights.Read) with { Address = at, Placement = MapPlacement.Fixed };

    private static Machine Make(SharingLevels sharing, int levels) => new(new MachineOptions
    {
        Ram = 64 * Mebi,
        Sharing = sharing,
        Format = levels == 4 ? X64Format.FourLevels : X64Format.FiveLevels,
    });
}
