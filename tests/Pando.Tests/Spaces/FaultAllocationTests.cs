using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Spaces;

/// <summary>
/// No fault that a process can make allocates managed memory: the garbage collector would stop every process of the machine. Of each
/// kind many are made, so that what is compiled or made once comes with the first of them.
/// </summary>
public sealed class FaultAllocationTests
{
    private const long Page = X64.PageSize;
    private const long Block = 2L << 20;
    private const int Warm = 300;
    private const int Measured = 300;

    private static readonly VirtualAddress At = new(1UL << 40);

    private static readonly Dictionary<string, Func<World, Fault>> Kinds = new()
    {
        ["load of anonymous memory"] = world => Load(world.Anonymous(), Page),
        ["store to anonymous memory"] = world => Store(world.Anonymous(), Page),
        ["store to anonymous memory after a load"] = world => Store(Loaded(world.Anonymous(), Page), Page),
        ["store to anonymous memory that a child shares"] = world => Store(Forked(Stored(world.Anonymous(), Page)), Page),
        ["store to anonymous memory that a child shared"] = world =>
        {
            var space = Stored(world.Anonymous(), Page);
            space.Fork()!.Exit();
            return Store(space, Page);
        },
        ["store to shared anonymous memory"] = world => Store(world.Maps(MapRequest.Anonymous(World.Size, Rights.ReadWrite) with { Shared = true }), Page),

        ["load of a hole of a memory file"] = world => Load(world.Shares(world.Memory()), Page),
        ["store to a hole of a memory file"] = world => Store(world.Shares(world.Memory()), Page),
        ["store to a hole of a memory file far off"] = world => Store(world.Shares(world.Memory()), Block),
        ["store to a hole of a memory file of large pages"] = world => Store(world.Shares(world.Memory(Block)), Block),
        ["store to a hole of a file of fixed pages"] = world => Store(world.Shares(world.Machine.CreateHugeFile("fixed", World.Size)), Block),
        ["load of a memory file that another has loaded"] = world =>
        {
            var file = world.Memory();
            Loaded(world.Shares(file), Block);
            return Load(world.Shares(file), Block);
        },
        ["store to a memory file after a load"] = world => Store(Loaded(world.Shares(world.Memory()), Page), Page),
        ["store to a memory file that was punched"] = world =>
        {
            var file = world.Memory();
            var space = Stored(world.Shares(file), Page);
            Does(file.PunchHole(0, World.Size));
            return Store(space, Page);
        },

        ["load of a file on a device"] = world => Load(world.Shares(world.Dax()), Block),
        ["store to a file on a device"] = world => Store(world.Shares(world.Dax()), Block),
        ["store to a file on a device after a load"] = world => Store(Loaded(world.Shares(world.Dax()), Block), Block),
        ["store to a file on a device after a write-back"] = world =>
        {
            var file = world.Dax();
            var space = Stored(world.Shares(file), Block);
            Does(file.WriteBack());
            return Store(space, Block);
        },
        ["load of a hole of a file on a device"] = world => Load(world.Shares(world.Holes()), Page),
        ["store to a hole of a file on a device"] = world => Store(world.Shares(world.Holes()), Page),
        ["store to a hole of a file on a device after a load"] = world => Store(Loaded(world.Shares(world.Holes()), Page), Page),
        ["store to a hole of 2 MiB of a file on a device"] = world => Store(world.Shares(world.Holes()), Block),
        ["store to what a clone shares"] = world =>
        {
            var file = world.Dax();
            Does(world.Holes().CloneRange(file, 0, World.Size, 0));
            return Store(world.Shares(file), Page);
        },
        ["store to a clone"] = world =>
        {
            var clone = world.Holes();
            Does(clone.CloneRange(world.Dax(), 0, World.Size, 0));
            return Store(world.Shares(clone), Page);
        },
        ["store with MAP_SYNC"] = world => Store(world.Maps(MapRequest.SharedFile(world.Dax(), Rights.ReadWrite) with { Synchronous = true }), Block),
        ["store with MAP_SYNC to a hole"] = world => Store(world.Maps(MapRequest.SharedFile(world.Holes(), Rights.ReadWrite) with { Synchronous = true }), Page),

        ["store with MAP_SYNC to a hole far off"] = world => Store(world.Maps(MapRequest.SharedFile(world.Holes(), Rights.ReadWrite) with { Synchronous = true }), Block),
        ["store to a single page of what a clone shares"] = world =>
        {
            // Every other page has been copied alone, so that none of the others gets 2 MiB.
            var file = world.Dax();
            var clone = world.Holes();
            Does(clone.CloneRange(file, 0, World.Size, 0));
            for (int i = 0; i < Warm + Measured; i++)
            {
                Does(clone.PunchHole(((2 * i) + 1) * Page, Page));
            }

            return Store(world.Shares(clone), 2 * Page);
        },
        ["store to a single page of a hole"] = world =>
        {
            var file = world.Dax();
            for (int i = 0; i < Warm + Measured; i++)
            {
                Does(file.PunchHole(2 * i * Page, Page));
            }

            return Store(world.Shares(file), 2 * Page);
        },

        ["load of a private mapping of a memory file"] = world => Load(world.Owns(world.Memory()), Page),
        ["store to a private mapping of a memory file"] = world => Store(world.Owns(world.Memory()), Page),
        ["store to a private mapping of a memory file far off"] = world => Store(world.Owns(world.Memory()), Block),
        ["store to a private mapping after a load"] = world => Store(Loaded(world.Owns(world.Memory()), Page), Page),
        ["store to a private mapping that others share"] = world =>
        {
            var file = world.Memory();
            Stored(world.Shares(file), Block);
            return Store(Loaded(world.Owns(file), Block), Block);
        },
        ["store to a private mapping of a file on a device"] = world => Store(world.Owns(world.Dax()), Page),
        ["store to a private mapping of a file on a device after a load"] = world => Store(Loaded(world.Owns(world.Dax()), Block), Block),
        ["store to a private mapping that a child shares"] = world => Store(Forked(Stored(world.Owns(world.Memory()), Page)), Page),

        ["load where nothing is mapped"] = world => new Fault(world.Machine.CreateSpace(), Page, AccessKind.Read, FaultKind.NotMapped),
        ["store that is not allowed"] = world =>
            new Fault(world.Maps(MapRequest.Anonymous(World.Size, Rights.Read)), Page, AccessKind.Write, FaultKind.NotAllowed),
        ["load past the end of a file"] = world =>
        {
            var file = world.Memory();
            var space = world.Shares(file);
            Does(file.SetSize(0));
            return new Fault(space, Page, AccessKind.Read, FaultKind.BusError);
        },
        ["load of what has failed"] = world =>
        {
            var file = world.Dax();
            var space = world.Shares(file);
            for (long offset = 0; offset < (Warm + Measured) * Page; offset += Page)
            {
                Does(file.Poison(offset));
            }

            return new Fault(space, Page, AccessKind.Read, FaultKind.HardwarePoison);
        },

        ["load that a handler answers with zeroes"] = world => Load(World.Handled(world.Anonymous(), UserFaultModes.Missing, Answer.Zero), Page),
        ["load that a handler answers with a copy"] = world => Load(World.Handled(world.Anonymous(), UserFaultModes.Missing, Answer.Copy), Page),
        ["load of a memory file that a handler answers with a copy"] = world => Load(World.Handled(world.Shares(world.Memory()), UserFaultModes.Missing, Answer.Copy), Page),
        ["store to a private mapping that a handler answers with a copy"] = world => Store(World.Handled(world.Owns(world.Memory()), UserFaultModes.Missing, Answer.Copy), Page),
        ["load that a handler lets go on"] = world =>
        {
            var file = world.Memory();
            Stored(world.Shares(file), Page);
            return Load(World.Handled(world.Shares(file), UserFaultModes.Minor, Answer.Continue), Page);
        },
        ["store that a handler ends the protection for"] = world => Store(
            World.Protected(World.Handled(Stored(world.Anonymous(), Page), UserFaultModes.WriteProtect, Answer.Unprotect)), Page),
        ["store to a file that a handler ends the protection for"] = world => Store(
            World.Protected(World.Handled(Stored(world.Shares(world.Memory()), Page), UserFaultModes.WriteProtect, Answer.Unprotect)), Page),
        ["load that a handler refuses"] = world =>
            new Fault(World.Handled(world.Anonymous(), UserFaultModes.Missing, Answer.Refuse), Page, AccessKind.Read, FaultKind.BusError),
    };

    public static TheoryData<string> Names => [.. Kinds.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void With_shared_tables(string kind) => AllocatesNothing(kind, SharingLevels.All, largePages: true);

    [Theory]
    [MemberData(nameof(Names))]
    public void With_shared_tables_of_small_pages(string kind) => AllocatesNothing(kind, SharingLevels.All, largePages: false);

    [Theory]
    [MemberData(nameof(Names))]
    public void With_tables_of_its_own(string kind) => AllocatesNothing(kind, SharingLevels.None, largePages: false);

    private static void AllocatesNothing(string kind, SharingLevels sharing, bool largePages)
    {
        // What the runtime makes for itself (code that runs for the first time, caches of casts) comes once; what a fault
        // allocates comes in every world anew.
        long least = long.MaxValue;
        for (int i = 0; i < 4 && least > 0; i++)
        {
            least = Math.Min(least, Allocated(kind, sharing, largePages));
        }

        Assert.Equal(0, least);
    }

    private static long Allocated(string kind, SharingLevels sharing, bool largePages)
    {
        using var world = new World(sharing, largePages);
        var (space, step, access, expected) = Kinds[kind](world);
        var at = At;
        int wrong = 0;
        long before = 0;
        for (int i = 0; i < Warm + Measured; i++, at += step)
        {
            if (i == Warm)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            var result = space.Fault(at, access);
            wrong += result.IsResolved ? expected is null ? 0 : 1 : result.Kind == expected ? 0 : 1;
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(0, wrong);
        return allocated;
    }

    private static Fault Load(AddressSpace space, long step) => new(space, step, AccessKind.Read, null);

    private static Fault Store(AddressSpace space, long step) => new(space, step, AccessKind.Write, null);

    private static AddressSpace Loaded(AddressSpace space, long step) => Touched(space, step, AccessKind.Read);

    private static AddressSpace Stored(AddressSpace space, long step) => Touched(space, step, AccessKind.Write);

    private static AddressSpace Forked(AddressSpace space)
    {
        Assert.NotNull(space.Fork());
        return space;
    }

    private static AddressSpace Touched(AddressSpace space, long step, AccessKind access)
    {
        for (int i = 0; i < Warm + Measured; i++)
        {
            Assert.True(space.Fault(At + (i * step), access).IsResolved);
        }

        return space;
    }

    private static void Does(Errno error) => Assert.Equal(Errno.None, error);

    /// <summary>Faults that are made one after the other.</summary>
    /// <param name="Space">Where.</param>
    /// <param name="Step">How far one lies from the one before.</param>
    /// <param name="Access">The access.</param>
    /// <param name="Expected">How each fails; null where each is resolved.</param>
    private sealed record Fault(AddressSpace Space, long Step, AccessKind Access, FaultKind? Expected);

    private enum Answer
    {
        Refuse,
        Zero,
        Copy,
        Continue,
        Unprotect,
    }

    private sealed class World(SharingLevels sharing, bool largePages) : IDisposable
    {
        public const long Size = (Warm + Measured) * Block;

        private PmemDevice? _device;

        public Machine Machine { get; } = new(new MachineOptions { Ram = 2L << 30, Sharing = sharing, LargePages = largePages });

        public MemoryFile Memory(long pageSize = Page) => Machine.CreateMemoryFile("memory", Size, pageSize);

        public DaxFile Dax() => Device().CreateFile("data", Size);

        public DaxFile Holes() => Device().CreateFile("holes", Size, []);

        public AddressSpace Anonymous() => Maps(MapRequest.Anonymous(Size, Rights.ReadWrite));

        public AddressSpace Shares(MappedFile file) => Maps(MapRequest.SharedFile(file, Rights.ReadWrite));

        public AddressSpace Owns(MappedFile file) => Maps(MapRequest.PrivateFile(file, Rights.ReadWrite));

        public AddressSpace Maps(MapRequest request)
        {
            var space = Machine.CreateSpace();
            Does(space.Map(request with { Address = At, Placement = MapPlacement.Fixed }).Error);
            return space;
        }

        public static AddressSpace Handled(AddressSpace space, UserFaultModes modes, Answer answer)
        {
            Does(space.RegisterUserFaults(At, Size, modes, new Handler(answer)));
            return space;
        }

        public static AddressSpace Protected(AddressSpace space)
        {
            Does(space.UserWriteProtect(At, Size, protect: true));
            return space;
        }

        public void Dispose() => Machine.Dispose();

        private PmemDevice Device() => _device ??= Machine.AddPmem(3 * Size);
    }

    private sealed class Handler(Answer answer) : IUserFaultHandler
    {
        private readonly byte[] _contents = new byte[Page];

        public bool Handle(AddressSpace space, VirtualAddress page, UserFaultKind kind, AccessKind access) => answer switch
        {
            Answer.Zero => space.UserZero(page, Page) == Errno.None,
            Answer.Copy => space.UserCopy(page, _contents) == Errno.None,
            Answer.Continue => space.UserContinue(page, Page) == Errno.None,
            Answer.Unprotect => space.UserWriteProtect(page, Page, protect: false) == Errno.None,
            _ => false,
        };
    }
}
