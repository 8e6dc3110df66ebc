using Pando.Conformance.Tests.Kernel;
using Pando.Conformance.Tests.Lockstep;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;
using static Pando.Conformance.Tests.Lockstep.CaseBench;

namespace Pando.Conformance.Tests.Cases;

/// <summary>
/// What <see cref="NamedDifference.PageOutReclaims"/> excuses, and what not: the kernel is made to lose a page of a file that the engine
/// has, as if it had given it up.
/// </summary>
public class PageOutTests
{
    private const int Memory = 0;

    [Fact]
    public void A_page_that_was_paged_out_may_be_gone_wherever_the_file_is_shown()
    {
        using var bench = Filled();
        bench.Does(new ForkTo(0, 1), new AdviseAt(1, At(2), 2 * Page, Advice.PageOut));
        Lose(bench, 2);
        bench.Does(new ResidentAt(0, At(0), 8 * Page), new ResidentAt(1, At(0), 8 * Page));
        Assert.Equal(2, bench.World.Counts.Of(NamedDifference.PageOutReclaims));
    }

    [Fact]
    public void Where_a_refusal_came_later_it_may_be_gone_as_well()
    {
        using var bench = Filled();
        bench.Refuses(Errno.ENOMEM, new AdviseAt(0, At(6), 4 * Page, Advice.PageOut));
        Lose(bench, 7);
        bench.Does(new ResidentAt(0, At(0), 8 * Page));
        Assert.Equal(1, bench.World.Counts.Of(NamedDifference.PageOutReclaims));
    }

    [Fact]
    public void A_page_beside_it_may_not()
    {
        using var bench = Filled();
        bench.Does(new AdviseAt(0, At(2), 2 * Page, Advice.PageOut));
        Lose(bench, 4);
        Assert.Throws<MismatchException>(() => bench.Does(new ResidentAt(0, At(0), 8 * Page)));
    }

    [Fact]
    public void Nor_may_one_that_was_touched_or_seen_since()
    {
        foreach (Operation since in (ReadOnlySpan<Operation>)[new TouchAt(0, At(2), AccessKind.Write, 1), new ResidentAt(0, At(0), 8 * Page)])
        {
            using var bench = Filled();
            bench.Does(new AdviseAt(0, At(2), Page, Advice.PageOut));
            bench.World.Step(since);
            Lose(bench, 2);
            Assert.Throws<MismatchException>(() => bench.Does(new ResidentAt(0, At(0), 8 * Page)));
        }
    }

    [Fact]
    public void Nor_may_private_memory()
    {
        using var bench = Filled();
        bench.Does(
            new MapAt(0, -1, 0, Page, Rights.ReadWrite, false, MapPlacement.Fixed, At(20), PopulateKind.Read),
            new AdviseAt(0, At(20), Page, Advice.PageOut));
        Assert.Equal(0, bench.World.At(0).Agent.Call(SystemCall.Madvise, At(20), Page, (ulong)Advice.DontNeed));
        Assert.Throws<MismatchException>(() => bench.Does(new ResidentAt(0, At(20), Page)));
    }

    /// <summary>Eight pages of a file, all written: the kernel, which has nowhere to swap to, keeps them of its own accord.</summary>
    private static CaseBench Filled()
    {
        var bench = new CaseBench(SharingLevels.All);
        bench.Does(new MapAt(0, Memory, 0, 8 * Page, Rights.ReadWrite, true, MapPlacement.Fixed, At(0), PopulateKind.None));
        for (int page = 0; page < 8; page++)
        {
            bench.Touches(new TouchAt(0, At(page), AccessKind.Write, 1), Touch.Allowed);
        }

        return bench;
    }

    private static void Lose(CaseBench bench, long page) => Assert.Equal(
        0,
        bench.World.At(0).Agent.Call(
            SystemCall.Fallocate,
            (ulong)bench.World.Files[Memory].Descriptor,
            KernelArguments.PunchHole | KernelArguments.KeepSize,
            (ulong)(page * Page),
            (ulong)Page));
}
