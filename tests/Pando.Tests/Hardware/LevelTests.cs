using Pando.Hardware;

namespace Pando.Tests.Hardware;

public class LevelTests
{
    [Theory]
    [InlineData(1, "PTE", 1L << 12, 1L << 21)]
    [InlineData(2, "PMD", 1L << 21, 1L << 30)]
    [InlineData(3, "PUD", 1L << 30, 1L << 39)]
    [InlineData(4, "P4D", 1L << 39, 1L << 48)]
    [InlineData(5, "PGD", 1L << 48, 1L << 57)]
    public void Each_level_has_its_name_and_spans(int level, string name, long entrySpan, long tableSpan)
    {
        Assert.Equal(name, Level.Name(level));
        Assert.Equal(entrySpan, X64.EntrySpan(level));
        Assert.Equal(tableSpan, X64.TableSpan(level));
        Assert.Equal(entrySpan, 1L << X64Format.FiveLevels.Geometry.EntryShift(level));
    }

    [Fact]
    public void The_root_is_the_PGD_whatever_its_level_and_levels_that_are_not_there_are_folded()
    {
        Assert.Equal(["PTE", "PMD", "PUD", "PGD"], Enumerable.Range(1, 4).Select(X64Format.FourLevels.Geometry.NameOf));
        Assert.Equal(["PTE", "PMD", "PUD", "P4D", "PGD"], Enumerable.Range(1, 5).Select(X64Format.FiveLevels.Geometry.NameOf));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(6)]
    public void There_are_no_other_levels(int level) => Assert.Throws<ArgumentOutOfRangeException>(() => Level.Name(level));

    [Fact]
    public void The_indexes_of_an_address_are_its_groups_of_nine_bits()
    {
        ulong address = (3UL << 48) | (511UL << 39) | (256UL << 30) | (1UL << 21) | (17UL << 12) | 0xabc;
        Assert.Equal([17, 1, 256, 511, 3], Enumerable.Range(1, 5).Select(level => X64.Index(address, level)));
    }

    [Fact]
    public void Ranges_and_addresses_are_aligned_cut_and_compared()
    {
        var at = new VirtualAddress(0x1234_5678);
        Assert.Equal(0x678, X64.OffsetInPage(at));
        Assert.Equal(0x1234_5000UL, X64.PageStart(at).Value);
        Assert.Equal(0x1220_0000UL, at.AlignDown(1 << 21).Value);
        Assert.Equal(0x1240_0000UL, at.AlignUp(1 << 21).Value);
        Assert.True(at.AlignUp(1 << 21).IsAligned(1 << 21));
        Assert.Equal(X64.PageStart(at), X64.PageStart(at).AlignUp(4096));

        var span = X64.SpanOf(at, Level.Pte);
        Assert.Equal(new AddressRange(new VirtualAddress(0x1220_0000), new VirtualAddress(0x1240_0000)), span);
        Assert.True(span.Contains(at) && span.Contains(span.Start) && !span.Contains(span.End));
        var next = AddressRange.FromLength(span.End, 4096);
        Assert.False(span.Overlaps(next));
        Assert.True(span.Intersect(next).IsEmpty);
        var across = AddressRange.FromLength(span.End - 4096, 8192);
        Assert.True(span.Overlaps(across));
        Assert.Equal(4096, span.Intersect(across).Length);
        Assert.False(span.Contains(across));
        Assert.True(at < at + 1 && at + 1 > at && at <= at + 0 && at >= at - 0 && at - (at - 5) == 5);
    }
}
