using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Support;

namespace Pando.Tests.Spaces;

/// <summary>Leaves of 1 GiB: filled where extent, offset and address allow, parted and put together like those of 2 MiB.</summary>
public sealed class LargestLeafTests : IDisposable
{
    private const long Page = 4096;
    private const long Mebi = 1L << 20;
    private const long Gibi = 1L << 30;
    private const Rights ReadWrite = Rights.ReadWrite;
    private static readonly VirtualAddress At = new(64UL << 40);

    private readonly Machine _machine;
    private readonly PmemDevice _device;
    private readonly TableReader _reader;

    public LargestLeafTests()
    {
        _machine = new Machine(new MachineOptions { Ram = 64 * Mebi, LargestPage = Gibi });
        _device = _machine.AddPmem(16 * Gibi);
        _reader = new TableReader(_machine.Format, _machine.Memory);
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_file_in_line_is_shown_by_leaves_of_1_GiB_in_one_table_for_512_GiB()
    {
        var file = _device.CreateFile("data", 4 * Gibi);
        var (one, two) = (Map(file), Map(file));
        Assert.Equal(FaultKind.Populated, one.Fault(At + Gibi + 5, AccessKind.Write).Kind);
        Assert.Equal(FaultKind.Spurious, two.Fault(At + Gibi + (700 * Mebi), AccessKind.Write).Kind);
        Assert.Equal(Gibi, file.DirtyBytes);
        Assert.True(one.Populate(AddressRange.FromLength(At, 4 * Gibi), AccessKind.Read).IsResolved);
        Assert.Equal((0, 0, 1), Tables(file));
        Assert.Equal((3, Rights.Read), (LevelAt(two, At + (2 * Gibi)), RightsAt(two, At + (2 * Gibi)) & ReadWrite));
        _machine.Audit().ThrowIfUnsound();

        var processor = _machine.AddProcessor();
        processor.Switch(two);
        Assert.True(processor.TryWrite(At + (3 * Gibi) + 8, 42UL).IsCompleted);
        Assert.Equal(42UL, BitConverter.ToUInt64(_machine.Memory.Bytes(file.Locate((3 * Gibi) + 8)!.Value, 8)));
        Assert.Equal(2 * Gibi, file.DirtyBytes);
        Assert.Equal(Errno.None, file.WriteBack(0, 4 * Gibi));
        Assert.Equal(0, file.DirtyBytes);
        Assert.Equal(FaultKind.WriteEnabled, one.Fault(At + (3 * Gibi), AccessKind.Write).Kind);
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void Without_the_option_leaves_are_of_2_MiB()
    {
        using var machine = new Machine(new MachineOptions { Ram = 64 * Mebi });
        var file = machine.AddPmem(4 * Gibi).CreateFile("data", 2 * Gibi);
        var space = machine.CreateSpace();
        Assert.True(space.Map(MapRequest.SharedFile(file, ReadWrite) with { Address = At, Placement = MapPlacement.Fixed }).Succeeded);
        Assert.True(space.Fault(At, AccessKind.Read).IsResolved);
        Assert.Equal(2, new TableReader(machine.Format, machine.Memory).Walk(space, At)!.Value.Level);
    }

    [Fact]
    public void Where_offset_extent_window_or_end_do_not_allow_it_leaves_are_smaller()
    {
        // In line modulo 2 MiB and not modulo 1 GiB; an extent that ends; the end of the file; an address out of line.
        var shifted = _device.CreateFile("shifted", Gibi, [new FileExtent(0, 8 * Gibi + (2 * Mebi), Gibi)]);
        var cut = _device.CreateFile("cut", Gibi, [new FileExtent(0, 10 * Gibi, 512 * Mebi), new FileExtent(512 * Mebi, 11 * Gibi + (512 * Mebi), 512 * Mebi)]);
        var shorter = _device.CreateFile("shorter", Gibi - (2 * Mebi), [new FileExtent(0, 12 * Gibi, Gibi - (2 * Mebi))]);
        var good = _device.CreateFile("good", 2 * Gibi, [new FileExtent(0, 13 * Gibi, 2 * Gibi)]);
        foreach (var file in (MappedFile[])[shifted, cut, shorter])
        {
            var space = Map(file);
            Assert.True(space.Fault(At + (600 * Mebi), AccessKind.Write).IsResolved);
            Assert.Equal((file.Name, 2), (file.Name, LevelAt(space, At + (600 * Mebi))));
        }

        var outOfLine = Map(good, At + (2 * Mebi));
        Assert.True(outOfLine.Fault(At + (2 * Mebi), AccessKind.Write).IsResolved);
        Assert.Equal(2, LevelAt(outOfLine, At + (2 * Mebi)));
        var part = Map(good, length: Gibi + (4 * Mebi));
        Assert.True(part.Populate(AddressRange.FromLength(At, Gibi + (4 * Mebi)), AccessKind.Write).IsResolved);
        Assert.Equal((3, 2), (LevelAt(part, At), LevelAt(part, At + Gibi + (2 * Mebi))));
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void A_change_of_one_page_parts_the_leaf_twice_for_its_space_alone()
    {
        var file = _device.CreateFile("data", 2 * Gibi);
        var (one, two) = (Map(file), Map(file));
        Assert.True(one.Fault(At, AccessKind.Write).IsResolved);
        Assert.Equal(Errno.None, one.Protect(At + (5 * Mebi), Page, Rights.Read));
        Assert.Equal((3, 1, 2), (LevelAt(two, At), LevelAt(one, At + (5 * Mebi)), LevelAt(one, At + (9 * Mebi))));
        Assert.Equal(FaultKind.NotAllowed, one.Fault(At + (5 * Mebi), AccessKind.Write).Kind);
        Assert.Equal(FaultKind.Spurious, one.Fault(At + (5 * Mebi) - Page, AccessKind.Write).Kind);
        Assert.Equal(FaultKind.Spurious, two.Fault(At + (5 * Mebi), AccessKind.Write).Kind);
        _machine.Audit().ThrowIfUnsound();

        // And back: the tables go, one leaf shows all of it again.
        Assert.Equal(Errno.None, one.Protect(At + (5 * Mebi), Page, ReadWrite));
        Assert.True(one.Fault(At + (5 * Mebi), AccessKind.Write).IsResolved);
        Assert.Equal(3, LevelAt(one, At + (5 * Mebi)));
        Assert.Equal((0, 0), (one.TablesAt(Level.Pte), one.TablesAt(Level.Pmd)));
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void A_private_store_parts_the_leaf_and_the_file_keeps_its_own()
    {
        var file = _device.CreateFile("data", Gibi);
        var shared = Map(file);
        Assert.True(shared.Fault(At, AccessKind.Write).IsResolved);
        var own = _machine.CreateSpace();
        Assert.True(own.Map(MapRequest.PrivateFile(file, ReadWrite) with { Address = At, Placement = MapPlacement.Fixed }).Succeeded);
        Assert.True(own.Fault(At + (40 * Mebi), AccessKind.Read).IsResolved);
        Assert.Equal(3, LevelAt(own, At + (40 * Mebi)));
        Assert.Equal(FaultKind.Copied, own.Fault(At + (40 * Mebi), AccessKind.Write).Kind);
        Assert.NotEqual(file.Locate(40 * Mebi), _reader.Translate(own, At + (40 * Mebi), AccessKind.Read));
        Assert.Equal(file.Locate(42 * Mebi), _reader.Translate(own, At + (42 * Mebi), AccessKind.Read));
        Assert.Equal(3, LevelAt(shared, At));
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void A_hole_failed_memory_and_a_clone_take_the_leaf_away_and_smaller_ones_come_back()
    {
        var file = _device.CreateFile("data", 3 * Gibi);
        var space = Map(file);
        Assert.True(space.Populate(AddressRange.FromLength(At, 3 * Gibi), AccessKind.Write).IsResolved);
        Assert.Equal(Errno.None, file.PunchHole(4 * Mebi, 2 * Mebi));
        Assert.Equal(Errno.None, file.Poison(Gibi + (7 * Mebi)));
        var clone = _device.CreateFile("clone", Gibi, []);
        Assert.Equal(Errno.None, clone.CloneRange(file, (2 * Gibi) + (8 * Mebi), 2 * Mebi, 0));
        foreach (long at in (ReadOnlySpan<long>)[0, Gibi, 2 * Gibi])
        {
            Assert.Null(_reader.Translate(space, At + at, AccessKind.Read));
            Assert.True(space.Fault(At + at, AccessKind.Write).IsResolved);
            Assert.Equal(2, LevelAt(space, At + at));
        }

        Assert.Equal(FaultKind.HardwarePoison, space.Fault(At + Gibi + (7 * Mebi), AccessKind.Read).Kind);
        Assert.True(space.Fault(At + (2 * Gibi) + (8 * Mebi), AccessKind.Write).IsResolved);
        Assert.NotEqual(clone.Locate(0), file.Locate((2 * Gibi) + (8 * Mebi)));
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void When_a_file_has_one_extent_again_one_leaf_takes_the_place_of_a_table()
    {
        var file = _device.CreateFile("data", Gibi, [new FileExtent(0, 4 * Gibi, Gibi - (2 * Mebi))]);
        var space = Map(file);
        Assert.True(space.Populate(AddressRange.FromLength(At, Gibi - (2 * Mebi)), AccessKind.Write).IsResolved);
        Assert.Equal((0, 1, 1), Tables(file));

        // The last 2 MiB get the storage that lies behind the others: then all is one extent.
        using var others = _device.CreateFile("others", 4 * Gibi, [new FileExtent(0, 0, 4 * Gibi)]);
        Assert.True(space.Fault(At + Gibi - Page, AccessKind.Write).IsResolved);
        Assert.Equal(new FileExtent(0, 4 * Gibi, Gibi), Assert.Single(file.Extents));
        Assert.True(space.Fault(At, AccessKind.Write).IsResolved);
        Assert.Equal(3, LevelAt(space, At));
        _machine.Audit().ThrowIfUnsound();
        _machine.Reclaim();
        Assert.Equal((0, 0, 1), Tables(file));
    }

    [Theory]
    [InlineData(1L << 21)]
    [InlineData(1L << 12)]
    [InlineData(null)]
    public void Leaves_are_no_larger_than_the_option_says(long? largest)
    {
        using var machine = new Machine(new MachineOptions { Ram = 64 * Mebi, LargestPage = largest });
        var file = machine.AddPmem(2 * Gibi).CreateFile("data", Gibi);
        var space = machine.CreateSpace();
        Assert.True(space.Map(MapRequest.SharedFile(file, ReadWrite) with { Address = At, Placement = MapPlacement.Fixed }).Succeeded);
        Assert.True(space.Fault(At, AccessKind.Read).IsResolved);
        Assert.Equal(largest == Page ? 1 : 2, new TableReader(machine.Format, machine.Memory).Walk(space, At)!.Value.Level);
    }

    [Fact]
    public void A_size_that_the_format_does_not_have_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new Machine(new MachineOptions { LargestPage = 64 << 10 }));

    private AddressSpace Map(MappedFile file, VirtualAddress? at = null, long? length = null)
    {
        var space = _machine.CreateSpace();
        var request = MapRequest.SharedFile(file, ReadWrite) with { Address = at ?? At, Placement = MapPlacement.Fixed };
        Assert.True(space.Map(length is { } bytes ? request with { Length = bytes } : request).Succeeded);
        return space;
    }

    private int LevelAt(AddressSpace space, VirtualAddress address) => _reader.Walk(space, address)?.Level ?? 0;

    private Rights RightsAt(AddressSpace space, VirtualAddress address) => _reader.Walk(space, address)!.Value.Rights;

    private static (int Pte, int Pmd, int Pud) Tables(MappedFile file) =>
        (file.Tables.TablesAt(Level.Pte), file.Tables.TablesAt(Level.Pmd), file.Tables.TablesAt(Level.Pud));
}
