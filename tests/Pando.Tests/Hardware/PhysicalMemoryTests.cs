using Pando.Hardware;

namespace Pando.Tests.Hardware;

public sealed class PhysicalMemoryTests : IDisposable
{
    private readonly PhysicalMemory _memory = new(4 << 20);

    public void Dispose() => _memory.Dispose();

    [Theory]
    [InlineData(0L)]
    [InlineData(-2097152L)]
    [InlineData(4096L)]
    [InlineData((2L << 20) + 4096)]
    [InlineData(8L << 40)]
    public void Ram_of_a_size_that_cannot_be_is_refused(long bytes) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new PhysicalMemory(bytes));

    [Fact]
    public void Regions_may_touch_but_not_overlap()
    {
        _memory.AddRegion(new PhysicalRegion(new PhysicalAddress(4 << 20), 4096, 0, "first"));
        _memory.AddRegion(new PhysicalRegion(new PhysicalAddress((4 << 20) + 4096), 4096, 0, "second"));
        var exception = Assert.Throws<ArgumentException>(() => _memory.AddRegion(new PhysicalRegion(new PhysicalAddress(4 << 20), 1, 0, "third")));
        Assert.Contains("first", exception.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => _memory.AddRegion(new PhysicalRegion(new PhysicalAddress((4 << 20) - 4096), 4096, 0, "fourth")));
        Assert.Equal(["RAM", "first", "second"], _memory.Regions.Select(region => region.Name));
    }

    [Fact]
    public void Bytes_are_where_there_is_memory_that_has_some()
    {
        _memory.AddRegion(new PhysicalRegion(new PhysicalAddress(8 << 20), 4096, 0, "without bytes"));
        Assert.True(_memory.IsRam(new PhysicalAddress((4 << 20) - 1)));
        Assert.False(_memory.IsRam(new PhysicalAddress(4 << 20)));
        Assert.True(_memory.HasBytes(new PhysicalAddress(0)));
        Assert.False(_memory.HasBytes(new PhysicalAddress(5 << 20)));
        Assert.False(_memory.HasBytes(new PhysicalAddress(8 << 20)));
        Assert.Throws<InvalidOperationException>(() => _memory.Bytes(new PhysicalAddress(8 << 20), 1).Length);
        _memory.Bytes(new PhysicalAddress(8191), 2).Fill(9);
        Assert.Equal(9, _memory.Bytes(new PhysicalAddress(8192), 1)[0]);
    }
}
