using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Growth;

/// <summary>What grows with those who map a file, and with what has diverged from it.</summary>
public class FileGrowthTests
{
    private const long Page = Level.PageSize;
    private const long Block = 2L << 20;

    private static readonly VirtualAddress At = new(1UL << 40);

    [Fact]
    public void Spaces_with_a_window_each_of_one_file() => Growth.AssertOfAll(200, n => OfFile(n, 16 * Block, (file, spaces) =>
    {
        for (int i = 0; i < n; i++)
        {
            MapWindow(spaces[i], file, i);
        }
    }));

    [Fact]
    public void Spaces_with_a_window_each_of_one_file_that_end() => Growth.AssertOfAll(200, n => OfFile(
        n,
        16 * Block,
        (file, spaces) =>
        {
            for (int i = 0; i < n; i++)
            {
                MapWindow(spaces[i], file, i);
            }
        },
        (_, spaces) => Array.ForEach(spaces, space => space.Exit())));

    [Fact]
    public void Tables_of_many_windows_that_are_given_back() => Growth.AssertOfAll(200, n => OfFile(
        n,
        16 * Block,
        (file, spaces) =>
        {
            for (int i = 0; i < n; i++)
            {
                MapWindow(spaces[i], file, i);
            }

            Array.ForEach(spaces, space => space.Exit());
        },
        (file, _) => Assert.True(file.Tables.Reclaim() >= n)));

    [Fact]
    public void A_punch_beside_many_windows() => Growth.AssertOfOne(200, n => OfFile(
        n,
        16 * Block,
        (file, spaces) =>
        {
            for (int i = 0; i < n; i++)
            {
                MapWindow(spaces[i], file, i);
            }
        },
        (file, _) => Does(file.PunchHole(15 * Block, Page))));

    /// <summary>Each has copied pages of its own; where the file changes, nobody has.</summary>
    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.None)]
    public void A_punch_where_nothing_diverged_among_private_mappings_that_diverged_elsewhere(SharingLevels sharing) => Growth.AssertOfOne(100, n => OfFile(
        n,
        4 * Block,
        (file, spaces) =>
        {
            foreach (var space in spaces)
            {
                Map(space, MapRequest.PrivateFile(file, Rights.ReadWrite));
                Assert.True(space.Fault(At, AccessKind.Write).IsResolved);
            }

            Assert.Equal(n, file.Tables.ReverseMap.Count);
        },
        (file, _) => Does(file.PunchHole(3 * Block, Page)),
        sharing));

    [Fact]
    public void A_punch_where_one_of_many_private_mappings_diverged() => Growth.AssertOfOne(100, n => OfFile(
        n,
        4 * Block,
        (file, spaces) =>
        {
            foreach (var space in spaces)
            {
                Map(space, MapRequest.PrivateFile(file, Rights.ReadWrite));
                Assert.True(space.Fault(At + (space == spaces[0] ? 3 * Block : 0), AccessKind.Write).IsResolved);
            }
        },
        (file, _) => Does(file.SetSize(3 * Block))));

    [Fact]
    public void A_punch_among_mappings_that_share_again() => Growth.AssertOfOne(100, n => OfFile(
        n,
        4 * Block,
        (file, spaces) =>
        {
            foreach (var space in spaces)
            {
                Map(space, MapRequest.SharedFile(file, Rights.ReadWrite));
                Does(space.Protect(At + Page, Page, Rights.None));
                Assert.True(space.Fault(At, AccessKind.Write).IsResolved);
                Does(space.Protect(At + Page, Page, Rights.ReadWrite));
            }

            Assert.Equal(0, file.Tables.ReverseMap.Count);
        },
        (file, _) => Does(file.PunchHole(0, Page))));

    [Fact]
    public void Private_mappings_that_diverge() => Growth.AssertOfAll(100, n => OfFile(n, 4 * Block, (file, spaces) =>
    {
        foreach (var space in spaces)
        {
            Map(space, MapRequest.PrivateFile(file, Rights.ReadWrite));
            Assert.True(space.Fault(At, AccessKind.Write).IsResolved);
        }
    }));

    /// <summary>What is unmapped, protected or advised costs by its ends, however much of the mapping has diverged.</summary>
    [Fact]
    public void One_page_unmapped_of_a_private_mapping_that_diverged_much() => Growth.AssertOfOne(50, n => OfFile(
        1,
        n * Block,
        (file, spaces) => Diverge(file, spaces[0], n),
        (_, spaces) => Does(spaces[0].Unmap(At + (n / 2 * Block), Page))));

    [Fact]
    public void One_page_protected_of_a_private_mapping_that_diverged_much() => Growth.AssertOfOne(50, n => OfFile(
        1,
        n * Block,
        (file, spaces) => Diverge(file, spaces[0], n),
        (_, spaces) => Does(spaces[0].Protect(At + (n / 2 * Block), Page, Rights.Read))));

    private static void Diverge(MemoryFile file, AddressSpace space, int n)
    {
        Map(space, MapRequest.PrivateFile(file, Rights.ReadWrite));
        for (int i = 0; i < n; i++)
        {
            Assert.True(space.Fault(At + (i * Block), AccessKind.Write).IsResolved);
        }

        Assert.Equal(n, file.Tables.ReverseMap.Count);
    }

    /// <summary>The i-th window of the first blocks of a file; no two are the same.</summary>
    private static void MapWindow(AddressSpace space, MemoryFile file, int i)
    {
        long first = i % 400;
        long last = 512 + (i / 400);
        Map(space, MapRequest.SharedFile(file, Rights.Read) with { Offset = first * Page, Length = (last - first) * Page }, At + (first * Page));
        Assert.True(space.Fault(At + (450 * Page), AccessKind.Read).IsResolved);
    }

    private static void Map(AddressSpace space, MapRequest request, VirtualAddress? at = null) =>
        Does(space.Map(request with { Address = at ?? At, Placement = MapPlacement.Fixed }).Error);

    private static Measured OfFile(int spaces, long size, Action<MemoryFile, AddressSpace[]> run) => OfFile(spaces, size, (_, _) => { }, run);

    private static Measured OfFile(
        int spaces, long size, Action<MemoryFile, AddressSpace[]> build, Action<MemoryFile, AddressSpace[]> run, SharingLevels sharing = SharingLevels.All)
    {
        var machine = new Machine(new MachineOptions { Ram = 256 << 20, Sharing = sharing });
        var file = machine.CreateMemoryFile("file", size);
        var all = Enumerable.Range(0, spaces).Select(_ => machine.CreateSpace()).ToArray();
        build(file, all);
        return new Measured(() => run(file, all), machine);
    }

    private static void Does(Errno error) => Assert.Equal(Errno.None, error);
}
