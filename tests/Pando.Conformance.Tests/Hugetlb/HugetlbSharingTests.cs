using Pando.Conformance.Tests.Lockstep;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Hugetlb;

/// <summary>
/// Linux's own sharing of page tables (hugetlbfs, tables of PMDs) against the engine that shares at the same level: where the
/// kernel shares the engine does, and where the engine alone does, a named difference says why.
/// </summary>
public class HugetlbSharingTests
{
    private const ulong Gibi = 1UL << 30;
    private const long HugePage = 2L << 20;
    private const int Huge = 4; // the place of the file among the world's
    private const ulong At = LockstepWorld.Arena;

    private static HugePagePool Pool(int pages)
    {
        Replay.RequireLockstep();
        var pool = HugePagePool.TryAdd(pages, out string whyNot);
        Assert.SkipWhen(pool is null, whyNot);
        return pool!;
    }

    private static LockstepWorld NewWorld(LockstepCounts counts) =>
        new(new LockstepOptions(SharingLevels.Pmd, HugePages: true, HugeBytes: 3 * (long)Gibi), counts);

    /// <summary>Four processes, forked from one that maps 2 GiB; one of them acts. As in the kernel's rules (mm/hugetlb.c).</summary>
    [Theory]
    [InlineData("nothing", 1, 1)]
    [InlineData("mprotect of 2 MiB", 2, 2)]
    [InlineData("mprotect of the GiB", 2, 1)]
    [InlineData("munmap of 2 MiB", 2, 2)]
    [InlineData("MADV_DONTFORK of 2 MiB", 2, 1)]
    [InlineData("MADV_DONTNEED of 2 MiB", 1, 1)]
    [InlineData("mlock of 2 MiB", 1, 1)]
    [InlineData("MADV_DONTDUMP of all", 1, 1)]
    [InlineData("mprotect of the GiB and back", 2, 1)]
    [InlineData("munmap of all", 1, 1)]
    public void One_of_four_sharers_acts_in_the_first_GiB(string action, int kernelTables, int engineTables)
    {
        using var pool = Pool(40);
        using var world = NewWorld(new LockstepCounts());
        var gibi = new SharedGibibyte(world, world.Files[Huge], 0);
        var next = new SharedGibibyte(world, world.Files[Huge], 1);
        world.Step(new MapAt(0, Huge, 0, 2 * (long)Gibi, Rights.ReadWrite, true, MapPlacement.Fixed, At, PopulateKind.None));
        for (int child = 1; child < LockstepWorld.Processes; child++)
        {
            world.Step(new ForkTo(0, child));
        }

        gibi.Compare();
        next.Compare();
        Assert.Equal((1, 1, 1, 1), (gibi.KernelTables, gibi.EngineTables, next.KernelTables, next.EngineTables));
        foreach (var operation in Operations(action))
        {
            world.Step(operation);
            Assert.Equal(Errno.None, world.LastOutcome);
            gibi.Compare();
        }

        next.Compare();
        Assert.Equal((kernelTables, engineTables, 1, 1), (gibi.KernelTables, gibi.EngineTables, next.KernelTables, next.EngineTables));
        SayWithoutPageCount(gibi);
        world.End();
    }

    private static Operation[] Operations(string action)
    {
        ulong inside = At + (10 * (ulong)HugePage);
        return action switch
        {
            "nothing" => [],
            "mprotect of 2 MiB" => [new ProtectAt(1, inside, HugePage, Rights.Read)],
            "mprotect of the GiB" => [new ProtectAt(1, At, (long)Gibi, Rights.Read)],
            "munmap of 2 MiB" => [new UnmapAt(1, inside, HugePage)],
            "MADV_DONTFORK of 2 MiB" => [new AdviseAt(1, inside, HugePage, Advice.DontFork)],
            "MADV_DONTNEED of 2 MiB" => [new AdviseAt(1, inside, HugePage, Advice.DontNeed)],
            "mlock of 2 MiB" => [new LockAt(1, inside, HugePage, true, true)],
            "MADV_DONTDUMP of all" => [new AdviseAt(1, At, 2 * (long)Gibi, Advice.DontDump)],
            "mprotect of the GiB and back" => [new ProtectAt(1, At, (long)Gibi, Rights.Read), new TouchAt(1, At, AccessKind.Read, 0), new ProtectAt(1, At, (long)Gibi, Rights.ReadWrite)],
            "munmap of all" => [new UnmapAt(1, At, 2 * (long)Gibi)],
            _ => throw new ArgumentOutOfRangeException(nameof(action), action, "There is no such action."),
        };
    }

    /// <summary>The rule that says why a table comes back here and not in Linux wants to have seen the two apart.</summary>
    [Fact]
    public void Tables_that_were_not_seen_apart_must_be_shared()
    {
        using var pool = Pool(40);
        var counts = new LockstepCounts();
        using var world = NewWorld(counts);
        var gibi = new SharedGibibyte(world, world.Files[Huge], 0);
        foreach (Operation operation in (ReadOnlySpan<Operation>)
            [
                new MapAt(0, Huge, 0, (long)Gibi, Rights.ReadWrite, true, MapPlacement.Fixed, At, PopulateKind.None),
                new ForkTo(0, 1),
                new ProtectAt(1, At, (long)Gibi, Rights.Read),
                new ProtectAt(1, At, (long)Gibi, Rights.ReadWrite),
            ])
        {
            world.Step(operation);
            gibi.Compare();
        }

        Assert.Equal((1, 1), (counts.Of(NamedDifference.SharesAcrossRights), counts.Of(NamedDifference.SharesAgain)));
        gibi.NoteMapping(1, At, (long)Gibi);
        Assert.Throws<MismatchException>(gibi.Compare);
    }

    /// <summary>Two processes that map the file each in its own way.</summary>
    [Theory]
    [InlineData("the same address", 0UL, 0L, Rights.ReadWrite, 1, 1)]
    [InlineData("1 GiB further", Gibi, 0L, Rights.ReadWrite, 1, 1)]
    [InlineData("2 MiB further", (ulong)HugePage, 0L, Rights.ReadWrite, 2, 2)]
    [InlineData("2 MiB less", 0UL, HugePage, Rights.ReadWrite, 2, 2)]
    [InlineData("other rights", 0UL, 0L, Rights.Read, 2, 1)]
    public void Two_processes_share_if_the_mappings_allow(string how, ulong further, long less, Rights rights, int kernelTables, int engineTables)
    {
        Assert.NotEmpty(how);
        using var pool = Pool(40);
        using var world = NewWorld(new LockstepCounts());
        var gibi = new SharedGibibyte(world, world.Files[Huge], 0);
        world.Step(new ForkTo(0, 1));
        world.Step(new MapAt(0, Huge, 0, (long)Gibi, Rights.ReadWrite, true, MapPlacement.Fixed, At, PopulateKind.None));
        world.Step(new MapAt(1, Huge, 0, (long)Gibi - less, rights, true, MapPlacement.Fixed, At + further, PopulateKind.None));
        gibi.Compare();
        Assert.Equal((kernelTables, engineTables), (gibi.KernelTables, gibi.EngineTables));
        SayWithoutPageCount(gibi);
        world.End();
    }

    /// <summary>PANDO_CONFORMANCE_HUGE_RUNS and PANDO_CONFORMANCE_SEED make more, and others.</summary>
    [Fact]
    public void Random_operations_leave_the_kernel_sharing_nothing_that_the_engine_does_not_share()
    {
        using var pool = Pool(400);
        int runs = Settings.Runs("PANDO_CONFORMANCE_HUGE_RUNS", 20);
        int first = Settings.FirstSeed();
        var counts = new LockstepCounts();
        long comparisons = 0;
        for (int seed = first; seed < first + runs; seed++)
        {
            comparisons += Run(seed, counts);
        }

        ConformanceReport.Say($"Sharing of hugetlbfs, seeds {first} to {first + runs - 1}, {comparisons:N0} times who shares the tables of a GiB: {counts}");
    }

    private static long Run(int seed, LockstepCounts counts)
    {
        const int operations = 24;
        var generator = new HugetlbSteps(seed, Huge);
        using var world = NewWorld(counts);
        var gibi = new SharedGibibyte(world, world.Files[Huge], 0);
        long comparisons = 0;
        var done = new List<Operation>();
        try
        {
            for (int i = 0; i < operations && gibi.HasRoomFor(LockstepWorld.Processes * 3); i++)
            {
                var operation = generator.Next(world);
                done.Add(operation);
                if (operation is MapAt map)
                {
                    gibi.NoteMapping(map.Space, map.Address, map.Length);
                }

                world.Step(operation);
                gibi.Compare();
                comparisons++;
            }

            world.End();
        }
        catch (MismatchException exception)
        {
            Assert.Fail($"Seed {seed}, after {string.Join(Environment.NewLine, done)}: {exception.Message}{Environment.NewLine}"
                + $"Alone: PANDO_CONFORMANCE_SEED={seed} PANDO_CONFORMANCE_HUGE_RUNS=1 dotnet test --project tests/Pando.Conformance.Tests --filter-class '*HugetlbSharingTests'");
        }

        return comparisons;
    }

    private static void SayWithoutPageCount(SharedGibibyte gibi)
    {
        if (!gibi.HasPageCount)
        {
            ConformanceReport.Say("/proc/kpagecount may not be read: the number of tables is by the pages that are present alone.");
        }
    }
}
