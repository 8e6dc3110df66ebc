using Pando.Hardware;
using Pando.Tests.Formats;

namespace Pando.Tests.Hardware;

public class TableGeometryTests
{
    [Theory]
    [InlineData(12, 48, 4, 512, 512)] // x86-64; Arm64 with 4 KiB
    [InlineData(12, 57, 5, 512, 512)] // LA57, Sv57
    [InlineData(12, 52, 5, 512, 16)] // Arm64 with 4 KiB and LPA2
    [InlineData(12, 39, 3, 512, 512)] // Sv39
    [InlineData(14, 47, 3, 2048, 2048)] // Arm64 with 16 KiB
    [InlineData(14, 48, 4, 2048, 2)]
    [InlineData(16, 48, 3, 8192, 64)] // Arm64 with 64 KiB
    [InlineData(16, 52, 3, 8192, 1024)]
    public void Page_size_and_address_width_say_how_many_levels_and_entries_there_are(int pageShift, int bits, int levels, int entries, int inRoot)
    {
        var geometry = new TableGeometry(pageShift, bits, [Level.Pte, Level.Pmd], new VirtualAddress(1UL << (bits - 1)), kernelInUserRoots: true);
        Assert.Equal((levels, entries, inRoot, 1 << pageShift), (geometry.Levels, geometry.Entries(Level.Pte), geometry.Entries(levels), geometry.PageSize));
        Assert.Equal(1UL << bits, (ulong)geometry.EntrySpan(levels) * (ulong)inRoot);
        Assert.Equal(inRoot - 1, geometry.Index((1UL << bits) - 1, levels));
        Assert.Equal(entries - 1, geometry.Index((1UL << bits) - 1, Level.Pte));
        for (int level = Level.Pmd; level <= levels; level++)
        {
            Assert.Equal(geometry.EntrySpan(level), geometry.EntrySpan(level - 1) * entries);
            Assert.Equal(geometry.EntrySpan(level), geometry.TableSpan(level - 1));
        }
    }

    [Fact]
    public void Leaves_stand_at_the_levels_of_the_list()
    {
        var geometry = X64Format.FourLevels.Geometry;
        Assert.Equal([1, 2, 3], geometry.LeafLevels);
        Assert.Equal([false, true, true, true, false], Enumerable.Range(0, 5).Select(geometry.IsLeafLevel));
        Assert.Equal((3, 3, 2), (geometry.HighestLeafLevel, geometry.LeafLevelAtMost(4), geometry.LeafLevelAtMost(2)));
        var large = ToyLargeGranule.Instance.Geometry;
        Assert.Equal((2, 2, 512L << 20), (large.HighestLeafLevel, large.LeafLevelAtMost(3), large.EntrySpan(large.HighestLeafLevel)));
    }

    [Fact]
    public void Pages_are_cut_and_rounded_by_the_page_size()
    {
        var geometry = ToyLargeGranule.Instance.Geometry;
        var at = new VirtualAddress(0x1234_5678);
        Assert.Equal((0x5678, 0x1234_0000UL, 0x1234_0000L), (geometry.OffsetInPage(at.Value), geometry.PageStart(at).Value, geometry.PageStart(0x1234_5678L)));
        Assert.Equal((0L, 0x10000L, 0x10000L, 0x20000L), (geometry.RoundUpToPages(0), geometry.RoundUpToPages(1), geometry.RoundUpToPages(0x10000), geometry.RoundUpToPages(0x10001)));
        Assert.True(geometry.IsPageAligned(0x30000UL) && !geometry.IsPageAligned(0x1000UL) && geometry.IsPageAligned(0L) && !geometry.IsPageAligned(-0x1000L));
        Assert.Equal(AddressRange.FromLength(new VirtualAddress(0), 512L << 20), geometry.SpanOf(at, Level.Pte));
        Assert.Equal(new AddressRange(default, new VirtualAddress(1UL << 48)), geometry.UserRange);
        Assert.Equal(new AddressRange(default, new VirtualAddress(1UL << 47)), X64Format.FourLevels.Geometry.UserRange);
    }

    [Fact]
    public void What_is_no_geometry_is_refused()
    {
        var end = new VirtualAddress(1UL << 38);
        Refused(() => new TableGeometry(11, 48, [1], end, false));
        Refused(() => new TableGeometry(17, 48, [1], end, false));
        Refused(() => new TableGeometry(12, 12, [1], end, false));
        Refused(() => new TableGeometry(12, 58, [1], end, false));
        Refused(() => new TableGeometry(16, 64, [1], end, false));
        Refused(() => new TableGeometry(12, 39, [], end, false));
        Refused(() => new TableGeometry(12, 39, [2, 3], end, false));
        Refused(() => new TableGeometry(12, 39, [1, 3, 2], end, false));
        Refused(() => new TableGeometry(12, 39, [1, 4], end, false));
        Refused(() => new TableGeometry(12, 39, [1], end + 1, false));
        Refused(() => new TableGeometry(12, 39, [1], new VirtualAddress(0), false));
        Refused(() => new TableGeometry(12, 39, [1], new VirtualAddress(1UL << 40), false));

        static void Refused(Func<TableGeometry> make) => Assert.Throws<ArgumentOutOfRangeException>(() => make());
    }
}
