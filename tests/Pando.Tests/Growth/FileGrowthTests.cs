using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Growth;

/// <summary>What grows with those who map a file, and with what has diverged from it.</summary>
public class FileGrowthTests
{
    private const long Page = X64.PageSize;
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

    [Fact]
    public void Spaces_on_one_file_that_come_and_go() => Growth.AssertOfAll(200, n =>
    {
        var machine = new Machine(new MachineOptions { Ram = 256 << 20 });
        var file = machine.CreateMemoryFile("file", 4 * Block);
        return new Measured(
            () =>
            {
                var spaces = Enumerable.Range(0, n).Select(_ => machine.CreateSpace()).ToList();
                spaces.ForEach(space => MapAndTouch(space, file));
                spaces.ForEach(space => space.Exit());
            },
            machine);
    });

    [Fact]
    public void One_space_more_among_those_on_a_file() => Growth.AssertOfOne(200, n => OfSharers(n, (machine, file, _) =>
    {
        var space = machine.CreateSpace();
        MapAndTouch(space, file);
        space.Exit();
    }));

    [Fact]
    public void A_fault_of_one_among_the_spaces_on_a_file() => Growth.AssertOfOne(200, n => OfSharers(
        n,
        (_, _, spaces) => Assert.True(spaces[n / 2].Fault(At + (2 * Block), AccessKind.Write).IsResolved)));

    [Theory]
    [InlineData("punch")]
    [InlineData("truncate")]
    [InlineData("write back")]
    [InlineData("poison")]
    public void A_change_of_a_file_among_the_spaces_that_share_it(string change) => Growth.AssertOfOne(200, n => OfSharers(
        n,
        (_, file, _) => Does(change switch
        {
            "punch" => file.PunchHole(0, Page),
            "truncate" => file.SetSize(Page),
            "write back" => file.WriteBack(),
            _ => file.Poison(0),
        })));

    [Fact]
    public void A_page_that_fails_among_the_files_of_a_device() => Growth.AssertOfOne(200, n => OfDevice(n, (device, file) => Does(device.Poison(file.Extents[0].DeviceOffset))));

    [Fact]
    public void A_part_of_a_device_that_is_left_among_its_files() => Growth.AssertOfOne(200, n => OfDevice(n, (device, file) =>
    {
        long start = file.Extents[0].DeviceOffset;
        Does(device.Migrate(start, 16 * Page));
        Assert.DoesNotContain(file.Extents, extent => extent.DeviceOffset < start + (16 * Page) && start < extent.DeviceEnd);
    }));

    [Fact]
    public void Files_of_a_device_that_come_and_go() => Growth.AssertOfAll(200, n =>
    {
        var machine = new Machine(new MachineOptions { Ram = 256 << 20 });
        var device = machine.AddPmem(4L * n * Page);
        return new Measured(
            () =>
            {
                var files = Enumerable.Range(0, n).Select(_ => device.CreateFile("file", Page)).ToList();
                files.ForEach(file => file.Dispose());
            },
            machine);
    });

    [Fact]
    public void Files_that_come_and_go_in_a_space() => Growth.AssertOfAll(200, n =>
    {
        var machine = new Machine(new MachineOptions { Ram = 256 << 20 });
        var space = machine.CreateSpace();
        return new Measured(
            () =>
            {
                var files = Enumerable.Range(0, n).Select(_ => machine.CreateMemoryFile("file", Page)).ToList();
                for (int i = 0; i < n; i++)
                {
                    MapAndTouch(space, files[i], new VirtualAddress(1UL << 32) + (i * Block));
                }

                files.ForEach(file => file.Dispose());
                Does(space.Unmap(new VirtualAddress(1UL << 32), n * Block));
            },
            machine);
    });

    [Fact]
    public void A_page_written_back_among_those_that_were_written() => Growth.AssertOfOne(100, n =>
    {
        var (machine, file, space) = Written(n);
        return new Measured(
            () =>
            {
                Does(file.WriteBack(n / 2 * 64 * Page, Page));
                Assert.True(space.Fault(At + (n / 2 * 64 * Page), AccessKind.Write).IsResolved);
            },
            machine);
    });

    [Fact]
    public void All_pages_written_back() => Growth.AssertOfAll(2000, n =>
    {
        var (machine, file, _) = Written(n);
        return new Measured(() => Does(file.WriteBack()), machine);
    });

    [Fact]
    public void Pages_of_a_sparse_memory_file_that_come_and_go() => Growth.AssertOfAll(100, n => OfFile(1, n * Block, (file, spaces) =>
    {
        Map(spaces[0], MapRequest.SharedFile(file, Rights.ReadWrite));
        for (int i = 0; i < n; i++)
        {
            Assert.True(spaces[0].Fault(At + (i * Block), AccessKind.Write).IsResolved);
        }

        for (int i = 0; i < n; i++)
        {
            Does(file.PunchHole(i * Block, Page));
        }
    }));

    /// <summary>A page in each 256 KiB that was written: each has its mark in another word.</summary>
    private static (Machine Machine, DaxFile File, AddressSpace Space) Written(int n)
    {
        var machine = new Machine(new MachineOptions { Ram = 256 << 20, LargePages = false });
        long size = n * 64 * Page;
        var file = machine.AddPmem(size).CreateFile("file", size);
        var space = machine.CreateSpace();
        Map(space, MapRequest.SharedFile(file, Rights.ReadWrite));
        for (int i = 0; i < n; i++)
        {
            Assert.True(space.Fault(At + (i * 64 * Page), AccessKind.Write).IsResolved);
        }

        return (machine, file, space);
    }

    /// <summary>A device with so many files; one in the middle is changed.</summary>
    private static Measured OfDevice(int n, Action<PmemDevice, DaxFile> run)
    {
        var machine = new Machine(new MachineOptions { Ram = 256 << 20 });
        var device = machine.AddPmem((n + 100L) * Page);
        var files = Enumerable.Range(0, n).Select(_ => device.CreateFile("file", Page)).ToArray();
        return new Measured(() => run(device, files[n / 2]), machine);
    }

    /// <summary>Spaces that are attached to the tables of one file.</summary>
    private static Measured OfSharers(int n, Action<Machine, DaxFile, AddressSpace[]> run)
    {
        var machine = new Machine(new MachineOptions { Ram = 256 << 20 });
        var file = machine.AddPmem(4 * Block).CreateFile("file", 4 * Block);
        var spaces = Enumerable.Range(0, n).Select(_ => machine.CreateSpace()).ToArray();
        Array.ForEach(spaces, space => MapAndTouch(space, file));
        return new Measured(() => run(machine, file, spaces), machine);
    }

    private static void MapAndTouch(AddressSpace space, MappedFile file, VirtualAddress? at = null)
    {
        Map(space, MapRequest.SharedFile(file, Rights.ReadWrite), at);
        Assert.True(space.Fault(at ?? At, AccessKind.Write).IsResolved);
    }

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
