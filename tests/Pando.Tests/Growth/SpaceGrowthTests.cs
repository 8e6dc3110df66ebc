using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Growth;

/// <summary>What grows with the areas of a space, and with the files that they show.</summary>
public class SpaceGrowthTests
{
    private const long Page = X64.PageSize;

    [Fact]
    public void Areas_mapped_upwards() => Growth.AssertOfAll(1000, n => OfSpace(space => MapAreas(space, n)));

    [Fact]
    public void Areas_mapped_downwards() => Growth.AssertOfAll(1000, n => OfSpace(space =>
    {
        for (int i = n; i > 0; i--)
        {
            MapAt(space, i);
        }
    }));

    [Fact]
    public void Areas_mapped_where_there_is_room() => Growth.AssertOfAll(1000, n => OfSpace(space =>
    {
        for (int i = 0; i < n; i++)
        {
            // With other rights than the one before, so that they stay apart.
            Does(space.Map(MapRequest.Anonymous(Page, i % 2 == 0 ? Rights.Read : Rights.ReadWrite)).Error);
        }
    }));

    [Fact]
    public void Areas_unmapped_one_by_one() => Growth.AssertOfAll(1000, n => OfSpace(
        space => MapAreas(space, n),
        space =>
        {
            for (int i = 1; i <= n; i++)
            {
                Does(space.Unmap(At((i * 7919L % n) + 1), Page));
            }
        }));

    [Fact]
    public void All_areas_unmapped_at_once() => Growth.AssertOfAll(1000, n => OfSpace(
        space => MapAreas(space, n),
        space => Does(space.Unmap(At(0), (2 * n) * Page))));

    [Fact]
    public void A_fork() => Growth.AssertOfAll(500, n => OfSpace(space => MapAreas(space, n), space => space.Fork()!.Exit()));

    [Fact]
    public void An_exit() => Growth.AssertOfAll(500, n => OfSpace(space => MapAreas(space, n), space => space.Exit()));

    [Fact]
    public void Files_in_one_space() => Growth.AssertOfAll(1000, n =>
    {
        var machine = new Machine(new MachineOptions { Ram = 512 << 20 });
        var space = machine.CreateSpace();
        var files = Enumerable.Range(0, n).Select(i => machine.CreateMemoryFile("file", Page)).ToList();
        return new Measured(() => files.ForEach(file => Does(space.Map(MapRequest.SharedFile(file, Rights.Read)).Error)), machine);
    });

    [Fact]
    public void One_page_locked_among_areas() => Growth.AssertOfOne(1000, n => OfSpace(
        space => MapAreas(space, n),
        space => Does(space.LockMemory(At(n / 2), Page))));

    [Fact]
    public void One_page_protected_among_areas() => Growth.AssertOfOne(1000, n => OfSpace(
        space => MapAreas(space, n),
        space => Does(space.Protect(At(n / 2), Page, Rights.None))));

    [Fact]
    public void One_page_advised_among_areas() => Growth.AssertOfOne(1000, n => OfSpace(
        space => MapAreas(space, n),
        space => Does(space.Advise(At(n / 2), Page, Advice.DontNeed))));

    [Fact]
    public void One_page_moved_among_areas() => Growth.AssertOfOne(1000, n => OfSpace(
        space => MapAreas(space, n),
        space => Does(space.Remap(At(n / 2), Page, 2 * Page, RemapFlags.MayMove).Error)));

    [Fact]
    public void One_page_mapped_among_areas_and_unmapped() => Growth.AssertOfOne(1000, n => OfSpace(
        space => MapAreas(space, n),
        space =>
        {
            var address = space.Map(MapRequest.Anonymous(Page, Rights.Read)).Value;
            Does(space.Unmap(address, Page));
        }));

    [Fact]
    public void A_fault_among_areas() => Growth.AssertOfOne(1000, n => OfSpace(
        space => MapAreas(space, n),
        space => Assert.True(space.Fault(At(n / 2), AccessKind.Read).IsResolved)));

    [Fact]
    public void One_page_protected_for_a_handler_among_areas() => Growth.AssertOfOne(1000, n => OfSpace(
        space =>
        {
            MapAreas(space, n);
            Does(space.RegisterUserFaults(At(n / 2), Page, UserFaultModes.WriteProtect, new NoHandler()));
        },
        space => Does(space.UserWriteProtect(At(n / 2), Page, protect: true))));

    /// <summary>A span that is one window of a file in many areas: they differ in what no table shows.</summary>
    [Fact]
    public void One_page_advised_in_a_window_of_many_areas() => Growth.AssertOfOne(1000, n =>
    {
        var machine = new Machine(new MachineOptions { Ram = 64 << 20 });
        var file = machine.CreateMemoryFile("file", n * Page);
        var space = machine.CreateSpace();
        Does(space.Map(MapRequest.SharedFile(file, Rights.Read) with { Address = At(0), Placement = MapPlacement.Fixed }).Error);
        for (int i = 0; i < n; i += 2)
        {
            Does(space.Advise(At(0) + (i * Page), Page, Advice.DontFork));
        }

        return new Measured(() => Does(space.Advise(At(0) + (n / 2 * Page), Page, Advice.DontDump)), machine);
    });

    private static Measured OfSpace(Action<AddressSpace> run) => OfSpace(_ => { }, run);

    private static Measured OfSpace(Action<AddressSpace> build, Action<AddressSpace> run)
    {
        var machine = new Machine(new MachineOptions { Ram = 64 << 20 });
        var space = machine.CreateSpace();
        build(space);
        return new Measured(() => run(space), machine);
    }

    /// <summary>Areas of one page each, with a page between.</summary>
    private static void MapAreas(AddressSpace space, int n)
    {
        for (int i = 1; i <= n; i++)
        {
            MapAt(space, i);
        }
    }

    private static void MapAt(AddressSpace space, int i) =>
        Does(space.Map(MapRequest.Anonymous(Page, Rights.ReadWrite) with { Address = At(i), Placement = MapPlacement.Fixed }).Error);

    private static VirtualAddress At(long i) => new((ulong)((1L << 32) + (2 * i * Page)));

    private static void Does(Errno error) => Assert.Equal(Errno.None, error);

    private sealed class NoHandler : IUserFaultHandler
    {
        public bool Handle(AddressSpace space, VirtualAddress page, UserFaultKind kind, AccessKind access) => false;
    }
}
