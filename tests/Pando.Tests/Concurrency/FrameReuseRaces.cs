#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>
/// Whatever takes leaves out of a space's tables, beside a change of the file that gives its frames up and another process
/// whose private pages get these frames: the leaf that showed the file gives up nothing of what the frame is now.
/// </summary>
public class FrameReuseRaces
{
    /// <summary>Everything that takes leaves out, or narrows them, in a space that shows the file at <see cref="RaceWorld.At"/>.</summary>
    private static readonly Dictionary<string, Action<Victim>> Operations = new()
    {
        ["exit"] = victim => victim.Space.Exit(),
        ["clear"] = victim => victim.Space.Clear(),
        ["unmap all"] = victim => Succeeds(victim.Space.Unmap(At, 4 * Mebi)),
        ["unmap a page"] = victim => Succeeds(victim.Space.Unmap(At, Page)),
        ["map over"] = victim => Map(victim.Space, MapRequest.Anonymous(2 * Page, Rights.ReadWrite)),
        ["move"] = victim => Assert.True(victim.Space.Remap(At, 4 * Mebi, 4 * Mebi, RemapFlags.MayMove | RemapFlags.Fixed, At + Gibi).Succeeded),
        ["move a page"] = victim => Assert.True(victim.Space.Remap(At, Page, Page, RemapFlags.MayMove | RemapFlags.Fixed, At + Gibi).Succeeded),
        ["shrink"] = victim => Assert.True(victim.Space.Remap(At, 4 * Mebi, 2 * Mebi).Succeeded),
        ["drop"] = victim => Succeeds(victim.Space.Advise(At, 4 * Mebi, Advice.DontNeed)),
        ["remove"] = victim => victim.Space.Advise(At, 2 * Page, Advice.Remove),
        ["protect all"] = victim => Succeeds(victim.Space.Protect(At, 4 * Mebi, Rights.Read)),
        ["protect a page"] = victim => Succeeds(victim.Space.Protect(At, Page, Rights.None)),
        ["protect and back"] = victim =>
        {
            Succeeds(victim.Space.Protect(At + (2 * Page), Page, Rights.Read));
            Succeeds(victim.Space.Protect(At + (2 * Page), Page, Rights.ReadWrite));
        },
        ["load"] = victim => victim.Space.Fault(At, AccessKind.Read),
        ["store"] = victim => victim.Space.Fault(At, AccessKind.Write),
        ["populate"] = victim => victim.Space.Populate(AddressRange.FromLength(At, 4 * Page), AccessKind.Write),
        ["fork"] = victim => victim.Space.Fork(),
        ["fork and exit"] = victim => victim.Space.Fork()?.Exit(),
        ["fork without memory"] = victim =>
        {
            int asked = 0;
            victim.World.Machine.Store.Omissions[OmittedStep.Allocation] = () => Interlocked.Increment(ref asked) > 2;
            var child = victim.Space.Fork();
            victim.World.Machine.Store.Omissions[OmittedStep.Allocation] = null;
            child?.Exit();
        },
        ["register minor faults"] = victim => victim.Space.RegisterUserFaults(At, 4 * Mebi, UserFaultModes.Missing | UserFaultModes.WriteProtect, new Nobody()),
        ["protect for a handler"] = victim =>
        {
            Succeeds(victim.Space.RegisterUserFaults(At, 4 * Mebi, UserFaultModes.WriteProtect, new Nobody()));
            Succeeds(victim.Space.UserWriteProtect(At, 2 * Page, protect: true));
            Succeeds(victim.Space.UnregisterUserFaults(At, 4 * Mebi));
        },
        ["truncate"] = victim => Succeeds(victim.File.SetSize(Page)),
        ["punch"] = victim => Succeeds(victim.File.PunchHole(0, 4 * Mebi)),
        ["grow"] = victim => Succeeds(victim.File.SetSize(8 * Mebi)),
    };

    public static TheoryData<string> Names => [.. Operations.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void In_tables_of_its_own(string operation) => Explore(operation, SharingLevels.None, MapRequest.SharedFile);

    [Theory]
    [MemberData(nameof(Names))]
    public void In_tables_that_it_left_the_file_for(string operation) => Explore(operation, SharingLevels.UpTo1GiB, MapRequest.PrivateFile);

    [Theory]
    [MemberData(nameof(Names))]
    public void In_tables_of_its_own_beside_private_copies(string operation) => Explore(operation, SharingLevels.None, MapRequest.PrivateFile);

    private static void Explore(string operation, SharingLevels sharing, Func<MappedFile, Rights, MapRequest> map)
    {
        foreach (bool truncates in (bool[])[true, false])
        {
            Explorer.Explore(() => Beside(operation, truncates, sharing, map), schedules: 150, name: $"{operation}, {(truncates ? "truncation" : "a hole")}");
        }
    }

    private static Scenario Beside(string operation, bool truncates, SharingLevels sharing, Func<MappedFile, Rights, MapRequest> map)
    {
        const int Touched = 3;
        var world = new RaceWorld(sharing);
        var file = world.MemoryFile();
        var victim = new Victim(world, file, world.Space(map(file, Rights.ReadWrite)));
        for (int page = 0; page < Touched; page++)
        {
            Resolves(victim.Space, page * Page, AccessKind.Read);
        }

        // What stands beside the leaves of the file is a copy, where there can be one.
        Resolves(victim.Space, Touched * Page, AccessKind.Write);

        // Two processes that have their tables already, so that all they allocate is pages.
        var (first, second) = (world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite)), world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite)));
        Resolves(first, 16 * Page, AccessKind.Write);
        Resolves(second, 16 * Page, AccessKind.Write);
        return world.Race(
            () =>
            {
                for (int page = 0; page < Touched + 1; page++)
                {
                    Assert.Equal(0x11, ByteShown(world, first, page));
                    Assert.Equal(0x22, ByteShown(world, second, page));
                }
            },
            () => Operations[operation](victim),
            () =>
            {
                Succeeds(truncates ? file.SetSize(0) : file.PunchHole(0, 4 * Mebi));
                Use(world, first, 0x11);
            },
            () => Use(world, second, 0x22));

        static void Use(RaceWorld world, AddressSpace space, byte value)
        {
            world.Machine.Reclaim();
            for (int page = 0; page < Touched + 1; page++)
            {
                if (space.Fault(At + (page * Page), AccessKind.Write).Kind == FaultKind.OutOfMemory)
                {
                    // Another thread lets allocations fail for a while.
                    world.Machine.Store.Omissions[OmittedStep.Allocation] = null;
                    Resolves(space, page * Page, AccessKind.Write);
                }

                Point();
                world.Machine.Memory.Bytes(world.Shown(space, page * Page)!.Value, 1)[0] = value;
            }
        }
    }

    private static byte ByteShown(RaceWorld world, AddressSpace space, int page) =>
        world.Machine.Memory.Bytes(world.Shown(space, page * Page)!.Value, 1)[0];

    private sealed record Victim(RaceWorld World, MemoryFile File, AddressSpace Space);

    private sealed class Nobody : IUserFaultHandler
    {
        public bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access) => false;
    }
}
#endif
