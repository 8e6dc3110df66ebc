using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Growth;

/// <summary>What grows with the extents of a file on a device.</summary>
public class ExtentGrowthTests
{
    private const long Page = X64.PageSize;

    /// <summary>Changes of all extents of a file.</summary>
    public static TheoryData<string> OfAll => [.. Changes.Keys];

    private static readonly Dictionary<string, Func<int, Measured>> Changes = new()
    {
        ["clone"] = n => OfFile(n, (world, file) =>
        {
            var clone = world.Device.CreateFile("clone", file.Size, []);
            return () => Does(clone.CloneRange(file, 0, file.Size, 0));
        }),
        ["clone over a clone"] = n => OfFile(n, (world, file) =>
        {
            var clone = world.Device.CreateFile("clone", file.Size, []);
            var other = world.Extents(n, "other");
            Does(clone.CloneRange(other, 0, file.Size, 0));
            return () => Does(clone.CloneRange(file, 0, file.Size, 0));
        }),
        ["clone of what is being emptied"] = n => OfFile(n, (world, file) =>
        {
            // What the first half has done is taken back; it is done again when there is no room to move.
            var clone = world.Device.CreateFile("clone", file.Size, []);
            world.Device.CreateFile("filler", world.Device.FreeBytes, world.Free());
            Assert.Equal(Errno.ENOSPC, world.Device.Migrate(0, world.Device.Size));
            return () => Does(clone.CloneRange(file, 0, file.Size, 0));
        }),
        ["collapse"] = n => OfFile(n, (_, file) => () => Does(file.CollapseRange(Page, file.Size / 2 & -Page))),
        ["insert"] = n => OfFile(n, (_, file) => () => Does(file.InsertRange(Page, 16 * Page))),
        ["punch"] = n => OfFile(n, (_, file) => () => Does(file.PunchHole(Page + 1, file.Size - (2 * Page)))),
        ["truncate"] = n => OfFile(n, (_, file) => () => Does(file.SetSize(1))),
        ["punch a memory file"] = n => OfMemoryFile(n, file => Does(file.PunchHole(Page + 1, file.Size - (2 * Page)))),
        ["truncate a memory file"] = n => OfMemoryFile(n, file => Does(file.SetSize(1))),
        ["end"] = n => OfFile(n, (_, file) => file.Dispose),
        ["migrate"] = n => OfFile(n, (world, file) => () => Does(world.Device.Migrate(0, n * Page))),
        ["migrate among failed pages"] = n => OfFile(0, (world, _) =>
        {
            var file = world.Device.CreateFile("file", 2L * n * Page);
            long start = file.Extents[0].DeviceOffset;
            for (int i = 0; i < n; i++)
            {
                Does(world.Device.Poison(start + (2L * i * Page)));
            }

            return () => Assert.Equal(Errno.EIO, world.Device.Migrate(start, 2L * n * Page));
        }),
        ["fail"] = n => OfFile(0, (world, _) =>
        {
            var file = world.Device.CreateFile("file", 4L * n * Page, [.. Enumerable.Range(0, n).Select(i => new FileExtent(4L * i * Page, 2L * i * Page, Page))]);
            return () =>
            {
                for (int i = 0; i < n; i++)
                {
                    Does(file.Poison(4L * i * Page));
                }
            };
        }),
        ["fill"] = n => OfFile(n, (world, file) =>
        {
            var sparse = world.Device.CreateFile("sparse", 2L * n * Page, []);
            var space = world.Machine.CreateSpace();
            var at = space.Map(MapRequest.SharedFile(sparse, Rights.ReadWrite)).Value;
            return () =>
            {
                for (int i = 0; i < n; i++)
                {
                    Assert.True(space.Fault(at + (2L * (i * 7919L % n) * Page), AccessKind.Write).IsResolved);
                }
            };
        }),
        ["create"] = n => OfFile(0, (world, _) => () => world.Extents(n, "created")),
    };

    /// <summary>One page of a file of many extents.</summary>
    public static TheoryData<string> OfOne => [.. Ones.Keys];

    private static readonly Dictionary<string, Func<int, Measured>> Ones = new()
    {
        ["fault"] = n => OfMapped(n, (_, _, space, at) => () => Assert.True(space.Fault(at + (n / 2 * 2 * Page), AccessKind.Write).IsResolved)),
        ["fault on a hole"] = n => OfMapped(n, (_, _, space, at) => () => Assert.True(space.Fault(at + (((n / 2 * 2) + 1) * Page), AccessKind.Write).IsResolved)),
        ["punch"] = n => OfFile(n, (_, file) => () => Does(file.PunchHole(n / 2 * 2 * Page, Page))),
        ["collapse"] = n => OfFile(n, (_, file) => () => Does(file.CollapseRange(n / 2 * 2 * Page, Page))),
        ["insert"] = n => OfFile(n, (_, file) => () => Does(file.InsertRange(n / 2 * 2 * Page, Page))),
        ["clone"] = n => OfFile(n, (world, file) =>
        {
            var clone = world.Device.CreateFile("clone", Page, []);
            return () => Does(clone.CloneRange(file, n / 2 * 2 * Page, Page, 0));
        }),
        ["grow"] = n => OfFile(n, (_, file) => () => Does(file.SetSize(file.Size + Page))),
        ["fail"] = n => OfFile(n, (world, _) => () => Does(world.Device.Poison(n / 2 * 2 * Page))),
        ["fail after moves"] = n => OfFile(n, (world, file) =>
        {
            for (int i = 0; i < 50; i++)
            {
                Does(file.InsertRange(2L * i * Page, Page));
            }

            return () => Does(world.Device.Poison(n / 2 * 2 * Page));
        }),
        ["write back after a truncation"] = n => OfFile(n, (_, file) =>
        {
            Does(file.SetSize(1));
            return () => Does(file.WriteBack());
        }),
        ["synchronous store after a truncation"] = n => OfFile(n, (world, file) =>
        {
            var space = world.Machine.CreateSpace();
            var at = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Synchronous = true }).Value;
            Does(file.SetSize(1));
            return () => Assert.True(space.Fault(at, AccessKind.Write).IsResolved);
        }),
        ["migrate"] = n => OfFile(n, (world, _) => () => Does(world.Device.Migrate(n / 2 * 2 * Page, 64 * Page))),
    };

    [Theory]
    [MemberData(nameof(OfAll))]
    public void All_extents(string change) => Growth.AssertOfAll(500, Changes[change]);

    [Theory]
    [MemberData(nameof(OfAll))]
    public void Others_wait_for_a_piece_and_not_for_all_extents(string change) => Growth.AssertStretches(500, Changes[change]);

    /// <summary>A file of n times 2 MiB, of which a process shows every page by a leaf of its own.</summary>
    [Theory]
    [InlineData("collapse")]
    [InlineData("insert")]
    [InlineData("clone")]
    [InlineData("clone over")]
    [InlineData("punch")]
    [InlineData("truncate")]
    public void Others_wait_for_a_piece_and_not_for_all_leaves(string change) => Growth.AssertStretches(20, n =>
    {
        const long Block = 2L << 20;
        var machine = new Machine(new MachineOptions { Ram = 256 << 20, LargePages = false });
        var device = machine.AddPmem(2 * n * Block, PmemBacking.None);
        var (file, other) = (device.CreateFile("file", n * Block), device.CreateFile("other", n * Block));
        var (space, copier) = (machine.CreateSpace(), machine.CreateSpace());
        foreach (var at in (MappedFile[])[file, other])
        {
            var mapped = space.Map(MapRequest.SharedFile(at, Rights.ReadWrite)).Value;
            Does(space.Advise(mapped, n * Block, Advice.PopulateWrite));
        }

        copier.Map(MapRequest.PrivateFile(file, Rights.ReadWrite));
        return new Measured(
            () => Does(change switch
            {
                "collapse" => file.CollapseRange(Block / 2, Block),
                "insert" => file.InsertRange(Block / 2, Block),
                "clone" => device.CreateFile("clone", n * Block, []).CloneRange(file, 0, n * Block, 0),
                "clone over" => other.CloneRange(file, 0, n * Block, 0),
                "punch" => file.PunchHole(Page, (n * Block) - Page),
                _ => file.SetSize(Page),
            }),
            machine);
    });

    [Theory]
    [MemberData(nameof(OfOne))]
    public void One_page_among_extents(string change) => Growth.AssertOfOne(500, Ones[change]);

    private static Measured OfFile(int n, Func<World, DaxFile, Action> build)
    {
        var world = new World(n);
        var run = build(world, world.Extents(n, "file"));
        return new Measured(run, world.Machine);
    }

    /// <summary>A file in RAM that has every fourth page.</summary>
    private static Measured OfMemoryFile(int n, Action<MemoryFile> run)
    {
        var machine = new Machine(new MachineOptions { Ram = 256 << 20 });
        var file = machine.CreateMemoryFile("memory", 4L * n * Page);
        var space = machine.CreateSpace();
        var at = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        for (int i = 0; i < n; i++)
        {
            Assert.True(space.Fault(at + (4L * i * Page), AccessKind.Write).IsResolved);
        }

        return new Measured(() => run(file), machine);
    }

    private static Measured OfMapped(int n, Func<World, DaxFile, AddressSpace, VirtualAddress, Action> build) => OfFile(n, (world, file) =>
    {
        var space = world.Machine.CreateSpace();
        return build(world, file, space, space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value);
    });

    private static void Does(Errno error) => Assert.Equal(Errno.None, error);

    private sealed class World
    {
        public World(int n)
        {
            Machine = new Machine(new MachineOptions { Ram = 256 << 20 });
            Device = Machine.AddPmem((16L * Math.Max(n, 4096) * Page) + (64 << 20));
        }

        public Machine Machine { get; }

        public PmemDevice Device { get; }

        /// <summary>All that is free, as extents of a file.</summary>
        public List<FileExtent> Free()
        {
            var extents = new List<FileExtent>();
            foreach (var piece in Device.Space.Snapshot().Free)
            {
                extents.Add(new FileExtent(extents.Count == 0 ? 0 : extents[^1].FileEnd, piece.Start, piece.Length));
            }

            return extents;
        }

        /// <summary>A file of n extents of one page, a hole after each, which lie apart and in another order on the device.</summary>
        public DaxFile Extents(int n, string name)
        {
            var taken = Enumerable.Range(0, n).Select(i => i * 7919L % Math.Max(1, n));
            long start = Device.Size - Device.FreeBytes > 0 ? 4L * n * Page : 0;
            return Device.CreateFile(name, Math.Max(1, 2L * n) * Page, [.. taken.Select((place, i) => new FileExtent(2L * i * Page, start + (2 * place * Page), Page))]);
        }
    }
}
