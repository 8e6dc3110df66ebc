using Pando.Concurrency;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>
/// Each operation with memory out at each of its allocations, one after the other and from there on: it succeeds
/// without, or says ENOMEM; the machine is sound, no process sees anything else; made again, it succeeds.
/// </summary>
public sealed class OperationsOutOfMemoryTests
{
    private static readonly VirtualAddress Own = At + (1024 * Gibi);
    private static readonly VirtualAddress Memory = At + (2048 * Gibi);
    private static readonly VirtualAddress Elsewhere = At + (3072 * Gibi) + Page;
    private static readonly UserFaultRecorder Handler = new();

    private static readonly Dictionary<string, Func<World, Errno>> Operations = new()
    {
        ["protect part"] = world => world.One.Space.Protect(At + Page, Page, Rights.Read),
        ["protect all"] = world => world.One.Space.Protect(At, 4 * Mebi, Rights.Read),
        ["protect with a key"] = world => world.One.Space.AllocateKey(out int key) is var error and not Errno.None ? error : world.One.Space.Protect(At, 4 * Mebi, Rights.ReadWrite, key),
        ["unmap part"] = world => world.One.Space.Unmap(At + (8 * Page), Page),
        ["map into"] = world => world.One.Space.Map(MapRequest.Anonymous(Page, Rights.Read) with { Address = At + (8 * Page), Placement = MapPlacement.Fixed }).Error,
        ["move shared"] = world => world.One.Space.Remap(At, 4 * Mebi, 4 * Mebi, RemapFlags.MayMove | RemapFlags.Fixed, Elsewhere).Error,
        ["move private"] = world => world.One.Space.Remap(Own, 4 * Mebi, 4 * Mebi, RemapFlags.MayMove | RemapFlags.Fixed, Elsewhere).Error,
        ["move several"] = world => world.One.Space.Remap(At, Memory + (4 * Page) - At, Memory + (4 * Page) - At, RemapFlags.MayMove | RemapFlags.Fixed, Elsewhere + (4096 * Gibi)).Error,
        ["leave behind"] = world => world.One.Space.Remap(Own, 4 * Mebi, 4 * Mebi, RemapFlags.MayMove | RemapFlags.DontUnmap).Error,
        ["drop"] = world => world.One.Space.Advise(Own, 4 * Mebi, Advice.DontNeed),
        ["split by a flag"] = world => world.One.Space.Advise(Own + Page, Page, Advice.DontDump),
        ["lock"] = world => world.One.Space.LockMemory(At, 4 * Mebi),
        ["populate"] = world => world.One.Space.Advise(Own, 4 * Mebi, Advice.PopulateWrite),
        ["register"] = world => world.One.Space.RegisterUserFaults(Memory, 4 * Page, UserFaultModes.WriteProtect, Handler),
        ["register and protect"] = world => world.One.Space.RegisterUserFaults(Memory, 4 * Page, UserFaultModes.WriteProtect, Handler) is var error && error != Errno.None ? error : world.One.Space.UserWriteProtect(Memory, 4 * Page, true),
        ["fork"] = world => world.One.Space.Fork() is { } child ? Ended(child) : Errno.ENOMEM,
        ["punch"] = world => world.File.PunchHole(Page, 3 * Mebi),
        ["truncate"] = world => world.File.SetSize((3 * Mebi) + 100),
        ["write back"] = world => world.File.WriteBack(),
        ["collapse"] = world => world.File.CollapseRange(3 * Mebi, Page),
        ["insert"] = world => world.File.InsertRange(3 * Mebi, Page),
        ["migrate"] = world => world.Bench.Device.Migrate(world.File.Extents[0].DeviceOffset, 4 * Mebi),
        ["fail"] = world => world.File.Poison(3 * Mebi),
    };

    public static TheoryData<string, SharingLevels> Cases()
    {
        var cases = new TheoryData<string, SharingLevels>();
        foreach (string operation in Operations.Keys)
        {
            cases.Add(operation, SharingLevels.All);
            cases.Add(operation, SharingLevels.None);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Memory_may_be_out_at_every_allocation(string operation, SharingLevels sharing)
    {
        foreach (bool onwards in new[] { false, true })
        {
            int asked = int.MaxValue;
            for (int failAt = 0; failAt < asked; failAt++)
            {
                using var world = new World(sharing);
                asked = 0;
                int at = failAt;
                world.Bench.Machine.Store.Omissions[OmittedStep.Allocation] = () => asked++ is var number && (number == at || (onwards && number > at));
                var outcome = Operations[operation](world);
                world.Bench.Machine.Store.Omissions[OmittedStep.Allocation] = null;
                Assert.True(outcome is Errno.None or Errno.ENOMEM, $"allocation {failAt} of {asked}: {outcome}");
                world.Bench.Sound();
                if (outcome == Errno.ENOMEM)
                {
                    world.IsAsItWas();
                    Assert.Equal(Errno.None, Operations[operation](world));
                    world.Bench.Sound();
                }

                Assert.Equal(0, world.Two.Load(At));
                asked = Math.Min(asked, 300);
            }
        }
    }

    /// <summary>
    /// Frames are set aside for the tables of private pages. Slots, and what is attached at the target, may not use
    /// them up on the way: the pages that move last could not be put down.
    /// </summary>
    [Fact]
    public void Of_several_areas_that_move_the_last_finds_its_tables_whatever_those_before_it_made()
    {
        for (int failFrom = 0; failFrom < 40; failFrom++)
        {
            using var bench = new OperationBench(SharingLevels.UpTo2MiB, largePages: false);
            var file = bench.DaxFile(8 * Mebi);
            var process = bench.Start();
            for (int i = 0; i < 3; i++)
            {
                process.Map(MapRequest.SharedFile(file, Rights.ReadWrite), At + (i * 512 * Gibi));
                process.Store(At + (i * 512 * Gibi) + (2 * Mebi), 1);
            }

            var last = At + (3 * 512 * Gibi);
            process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite), last);
            process.Store(last + Page, 2);
            long length = last + (2 * Page) - At;
            var target = At + (8 * 512 * Gibi) + (2 * Mebi);
            int asked = 0;
            bench.Machine.Store.Omissions[OmittedStep.Allocation] = () => asked++ >= failFrom;
            var outcome = process.Space.Remap(At, length, length, RemapFlags.MayMove | RemapFlags.Fixed, target).Error;
            bench.Machine.Store.Omissions[OmittedStep.Allocation] = null;
            bench.Sound();
            var start = outcome == Errno.None ? target : At;
            Assert.Equal(failFrom < 6 ? Errno.ENOMEM : Errno.None, outcome);
            Assert.Equal((1, 2), (process.Load(start + (2 * 512 * Gibi) + (2 * Mebi)), process.Load(start + (last - At) + Page)));
            Assert.Equal(4, process.Space.Areas.Count);
        }
    }

    private static Errno Ended(AddressSpace child)
    {
        child.Exit();
        return Errno.None;
    }

    private sealed class World : IDisposable
    {
        public World(SharingLevels sharing)
        {
            Bench = new OperationBench(sharing);
            File = Bench.DaxFile(4 * Mebi);
            (One, Two) = (Bench.Start(), Bench.Start());
            foreach (var process in new[] { One, Two })
            {
                process.Map(MapRequest.SharedFile(File, Rights.ReadWrite));
                process.Store(At + Page, 1);
            }

            One.Map(MapRequest.PrivateFile(File, Rights.ReadWrite), Own);
            One.Store(Own + Page, 2);
            One.Load(Own + (2 * Mebi));
            One.Map(MapRequest.SharedFile(Bench.MemoryFile(4 * Page), Rights.ReadWrite), Memory);
            One.Store(Memory, 3);
        }

        public OperationBench Bench { get; }

        public Pando.Files.DaxFile File { get; }

        public BenchProcess One { get; }

        public BenchProcess Two { get; }

        public void IsAsItWas() =>
            Assert.Equal((1, 2, 3, 1), (One.Load(At + Page), One.Load(Own + Page), One.Load(Memory), Two.Load(At + Page)));

        public void Dispose() => Bench.Dispose();
    }
}
