using Pando.Hardware;

namespace Pando.Tests.Hardware;

public sealed class PhysicalMemoryTests : IDisposable
{
    private readonly PhysicalMemory _memory = new(4 << 20, X64.Geometry);

    public void Dispose() => _memory.Release();

    [Theory]
    [InlineData(0L)]
    [InlineData(-2097152L)]
    [InlineData(4096L)]
    [InlineData((2L << 20) + 4096)]
    [InlineData(8L << 40)]
    public void Ram_of_a_size_that_cannot_be_is_refused(long bytes) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new PhysicalMemory(bytes, X64.Geometry));

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

    [Fact]
    public void Bytes_end_with_their_region()
    {
        byte[] host = new byte[X64.PageSize];
        Assert.Equal(4 << 20, _memory.Bytes(new PhysicalAddress(0), 4 << 20).Length);
        Assert.Equal(1, _memory.Bytes(new PhysicalAddress((4 << 20) - 1), 1).Length);
        Assert.Equal(0, _memory.Bytes(new PhysicalAddress((4 << 20) - 1), 0).Length);
        Assert.All(
            [(0L, (4 << 20) + 1), (0L, 1 << 30), ((4L << 20) - 1, 2), (4L << 20, 0), (4L << 20, 1), (-1L, 1), (-1L, int.MaxValue), (long.MinValue, 1)],
            asked => Assert.Throws<InvalidOperationException>(() => _memory.Bytes(new PhysicalAddress((ulong)asked.Item1), asked.Item2).Length));
        Assert.Throws<ArgumentOutOfRangeException>(() => _memory.Bytes(new PhysicalAddress(0), -1).Length);

        // Two regions that touch are two.
        unsafe
        {
            fixed (byte* first = host)
            {
                _memory.AddRegion(new PhysicalRegion(new PhysicalAddress(4 << 20), X64.PageSize, (nint)first, "device"));
                Assert.Equal(X64.PageSize, _memory.Bytes(new PhysicalAddress(4 << 20), X64.PageSize).Length);
                Assert.Throws<InvalidOperationException>(() => _memory.Bytes(new PhysicalAddress((4 << 20) - 1), 2).Length);
                Assert.Throws<InvalidOperationException>(() => _memory.Bytes(new PhysicalAddress(4 << 20), X64.PageSize + 1).Length);
                _memory.TakeBytesFrom(new PhysicalAddress(4 << 20));
                Assert.Throws<InvalidOperationException>(() => _memory.Bytes(new PhysicalAddress(4 << 20), 1).Length);
            }
        }
    }
}
