using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Support;

namespace Pando.Tests.Files;

public sealed class PmemDeviceTests : IDisposable
{
    private const long Mebi = 1L << 20;

    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private readonly Machine _machine = Make();

    public void Dispose()
    {
        _machine.Dispose();
        File.Delete(_path);
    }

    [Fact]
    public void What_a_process_stores_is_in_the_backing_file_and_there_for_the_next_machine()
    {
        var pmem = _machine.AddPmem(4 * Mebi, PmemBacking.File, _path);
        var file = pmem.CreateFile("data", 2 * Mebi);
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        Assert.True(space.Fault(at + 8192, AccessKind.Write).IsResolved);
        var place = new TableReader(_machine.Format, _machine.Memory).Translate(space, at + 8192, AccessKind.Write)!.Value;
        "persistent"u8.CopyTo(_machine.Memory.Bytes(place, 10));
        pmem.Sync(8192, 10);
        Assert.Equal(4 * Mebi, new FileInfo(_path).Length);
        Assert.Equal("persistent"u8.ToArray(), File.ReadAllBytes(_path).AsSpan(8192, 10).ToArray());

        _machine.Dispose();
        using var next = Make();
        var device = next.AddPmem(4 * Mebi, PmemBacking.File, _path);
        var again = device.OpenFile("data", 2 * Mebi, [new FileExtent(0, 0, 2 * Mebi)]);
        Assert.Equal("persistent"u8.ToArray(), next.Memory.Bytes(again.Locate(8192)!.Value, 10).ToArray());

        // A new file is no file that was there before.
        again.Dispose();
        var made = device.CreateFile("made", 2 * Mebi, [new FileExtent(0, 0, 2 * Mebi)]);
        Assert.Equal(new byte[10], next.Memory.Bytes(made.Locate(8192)!.Value, 10).ToArray());
        Assert.Equal(new byte[10], File.ReadAllBytes(_path).AsSpan(8192, 10).ToArray());
    }

    [Fact]
    public void All_of_many_pieces_that_a_file_has_left_is_there_for_who_needs_it()
    {
        const int Pieces = 1000;
        const long Page = 4096;
        var device = _machine.AddPmem(2 * Pieces * Page);
        var file = device.CreateFile("file", 2 * Pieces * Page, [.. Enumerable.Range(0, Pieces).Select(i => new FileExtent(2L * i * Page, 2L * i * Page, Page))]);
        device.CreateFile("rest", Pieces * Page, [.. Enumerable.Range(0, Pieces).Select(i => new FileExtent(i * Page, ((2L * i) + 1) * Page, Page))]);
        Assert.Equal(Errno.None, file.SetSize(0));
        Assert.Equal(Errno.None, file.WriteBack());
        Assert.Equal(Pieces * Page, device.FreeBytes);

        // The last of them first: who wants a certain piece waits for all before it.
        using (var last = device.CreateFile("last", Page, [new FileExtent(0, 2 * (Pieces - 1) * Page, Page)]))
        {
            Assert.Equal((Pieces - 1) * Page, device.FreeBytes);
        }

        var sparse = device.CreateFile("sparse", 2 * Pieces * Page, []);
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.SharedFile(sparse, Rights.ReadWrite)).Value;
        for (int i = 0; i < Pieces; i++)
        {
            Assert.True(space.Fault(at + (2 * i * Page), AccessKind.Write).IsResolved);
        }

        Assert.Equal(0, device.FreeBytes);
        Assert.Equal(FaultKind.BusError, space.Fault(at + Page, AccessKind.Write).Kind);
        Assert.True(_machine.Audit().IsSound);
    }

    [Fact]
    public void A_backing_file_that_is_too_small_is_refused_and_left_as_it_is()
    {
        File.WriteAllBytes(_path, new byte[8192]);
        var exception = Assert.Throws<IOException>(() => _machine.AddPmem(4 * Mebi, PmemBacking.File, _path));
        Assert.Contains("8,192", exception.Message, StringComparison.Ordinal);
        Assert.Equal(8192, new FileInfo(_path).Length);
        Assert.Single(_machine.Memory.Regions);
    }

    [Theory]
    [InlineData(0L)]
    [InlineData(-4096L)]
    [InlineData(4097L)]
    public void A_size_that_is_not_whole_pages_is_refused(long size) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => _machine.AddPmem(size));

    [Fact]
    public void A_device_must_fit_into_physical_addresses_and_between_other_regions()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _machine.AddPmem(8192, PmemBacking.None, start: new PhysicalAddress((1UL << 52) - 4096)));
        Assert.Throws<ArgumentOutOfRangeException>(() => _machine.AddPmem(8192, PmemBacking.None, start: new PhysicalAddress((1UL << 40) + 1)));
        Assert.Throws<ArgumentException>(() => _machine.AddPmem(8192, PmemBacking.None, start: new PhysicalAddress(0)));
        Assert.Equal((1UL << 52) - 8192, _machine.AddPmem(8192, PmemBacking.None, start: new PhysicalAddress((1UL << 52) - 8192)).Start.Value);
    }

    [Fact]
    public void A_file_is_aligned_as_far_as_it_is_large_and_the_space_allows()
    {
        var pmem = _machine.AddPmem(3L << 30, PmemBacking.None);
        Assert.Equal(0, pmem.CreateFile("small", 4096).Extents[0].DeviceOffset);
        Assert.Equal(1L << 30, pmem.CreateFile("large", 1L << 30).Extents[0].DeviceOffset);
        Assert.Equal(2 * Mebi, pmem.CreateFile("middle", 3 * Mebi).Extents[0].DeviceOffset);
        Assert.Equal((1L << 30) - (8 * Mebi), pmem.CreateFile("odd", (1L << 30) - (8 * Mebi)).Extents[0].Length);
    }

    [Theory]
    [InlineData(0L)]
    [InlineData(-1L)]
    [InlineData(long.MaxValue)]
    [InlineData(long.MaxValue - 4095)]
    public void A_file_of_a_size_that_cannot_be_is_refused(long size)
    {
        var pmem = _machine.AddPmem(4 * Mebi);
        Assert.ThrowsAny<Exception>(() => pmem.CreateFile("file", size));
        Assert.ThrowsAny<Exception>(() => pmem.CreateFile("file", size, [new FileExtent(0, 0, 4096)]));
        Assert.Equal(4 * Mebi, pmem.FreeBytes);
    }

    [Fact]
    public void A_device_without_a_piece_that_is_long_enough_says_what_it_has()
    {
        var pmem = _machine.AddPmem(4 * Mebi);
        var exception = Assert.Throws<IOException>(() => pmem.CreateFile("file", (4 * Mebi) + 1));
        Assert.Contains("4,194,304", exception.Message, StringComparison.Ordinal);
    }

    public static TheoryData<FileExtent[]> BadExtents => new()
    {
        { [new FileExtent(1, 0, 4096)] },
        { [new FileExtent(0, 1, 4096)] },
        { [new FileExtent(0, 0, 4097)] },
        { [new FileExtent(0, 0, 0)] },
        { [new FileExtent(0, 0, 12288)] },
        { [new FileExtent(4096, 0, 4096), new FileExtent(0, 4096, 4096)] },
        { [new FileExtent(0, 0, 8192), new FileExtent(4096, 8192, 4096)] },
    };

    [Theory]
    [MemberData(nameof(BadExtents))]
    public void Extents_of_another_form_are_refused(FileExtent[] extents)
    {
        var pmem = _machine.AddPmem(Mebi);
        Assert.Throws<ArgumentException>(() => pmem.CreateFile("file", 8192, extents));
        Assert.Equal(Mebi, pmem.FreeBytes);
    }

    [Fact]
    public void Extents_that_are_taken_are_refused_and_what_was_taken_before_them_comes_back()
    {
        var pmem = _machine.AddPmem(Mebi);
        using var file = pmem.CreateFile("first", 8192, [new FileExtent(0, 4096, 4096)]);
        Assert.Throws<IOException>(() => pmem.CreateFile("second", 8192, [new FileExtent(0, 0, 4096), new FileExtent(4096, 4096, 4096)]));
        Assert.Throws<IOException>(() => pmem.CreateFile("third", 8192, [new FileExtent(0, Mebi, 4096)]));
        Assert.Equal(Mebi - 4096, pmem.FreeBytes);
    }

    private static Machine Make() => new(new MachineOptions { Ram = 4 * Mebi });
}
