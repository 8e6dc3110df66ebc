#if PANDO_CHECKED // The ordinary build has no schedule points, and leaves nothing out.
using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

/// <summary>
/// The same scenarios that the engine passes, with one part of its protocol left out: the explorer finds each. This is
/// what shows that a scenario that passes has tried something.
/// </summary>
public class SpoiltEngineTests
{
    private const int Most = 2000;

    [Fact]
    public void A_fault_that_does_not_ask_again_whether_the_file_has_changed() =>
        Finds(ProtocolPart.SequenceCheck, FileChangeRaces.FaultsBesideHoleAndTruncation);

    [Fact]
    public void A_copy_of_a_table_that_does_not_ask_again_whether_the_file_has_changed() =>
        Finds(ProtocolPart.SequenceCheck, FileChangeRaces.UnmapPartBesideHole);

    [Fact]
    public void A_copy_on_write_that_does_not_ask_again_whether_the_file_has_changed() =>
        Finds(ProtocolPart.SequenceCheck, FileChangeRaces.PrivateStoreBesideTruncation);

    [Fact]
    public void Leaves_that_are_brought_to_a_files_table_while_it_changes() =>
        Finds(ProtocolPart.SequenceCheck, FileChangeRaces.ConvergeBesideHole);

    [Fact]
    public void A_walk_outside_of_epochs() => Finds(ProtocolPart.Epoch, TableRaces.WalkerBesideReuse);

    [Fact]
    public void A_slot_that_is_put_in_outside_of_epochs() => Finds(ProtocolPart.Epoch, TableRaces.FaultInATableThatIsFreed);

    [Fact]
    public void A_slot_that_is_put_into_a_dead_table() => Finds(ProtocolPart.DeadCheck, TableRaces.FaultInATableThatIsFreed);

    [Fact]
    public void A_table_that_is_put_into_the_index_without_looking() => Finds(ProtocolPart.IndexLook, TableRaces.TwoFirstFaults);

    [Fact]
    public void A_flush_after_the_frames_were_given_up() => Finds(ProtocolPart.FlushFirst, ProcessorRaces.UnmapAndReuse);

    [Fact]
    public void A_fork_that_does_not_hold_the_files_index() => Finds(ProtocolPart.IndexDuringFork, FileChangeRaces.ForkBesideTruncation);

    [Fact]
    public void A_missing_page_that_is_looked_for_and_then_made() => Finds(
        ProtocolPart.OneLookAtMissing,
        () => UserFaultChangeRaces.Make(WatchedKind.SharedFile, "loads of what is not shown", "copy", "a hole of a page"));

    [Fact]
    public void A_look_for_extents_in_a_place_that_is_not_told_of_those_behind_it() =>
        Finds(ProtocolPart.ExtentsMissed, DeviceRaces.PoisonBesideGrowingExtent);

    [Fact]
    public void A_leaf_that_comes_back_where_leaves_are_taken_away() => Finds(ProtocolPart.Withdrawn, DeviceRaces.CollapseBesideLoads);

    [Fact]
    public void A_flush_that_is_left_out() => Finds(null, () =>
    {
        var scenario = ProcessorRaces.StoreBesideProtect();
        ((RaceWorld)scenario.World!).Machine.Store.Omissions[OmittedStep.Flush] = () => true;
        return scenario;
    });

    [Fact]
    public void Operations_taken_by_chance_find_a_fault_that_does_not_ask_again_too()
    {
        int schedules = 0;
        Exploration found;
        int seed = 0;
        do
        {
            int scenario = ++seed;
            found = Explorer.Find(() => RandomRaces.Make(scenario) with { LeftOut = ProtocolPart.SequenceCheck }, 60, seed: scenario);
            schedules += found.Schedules;
        }
        while (found.Failure is null && seed < 100);
        TestContext.Current.TestOutputHelper?.WriteLine($"found in scenario {seed}, after {schedules} schedules: \"{found.Schedule}\"");
        Assert.NotNull(found.Failure);
    }

    private static void Finds(ProtocolPart? part, Func<Scenario> make)
    {
        var found = Explorer.Find(() => make() with { LeftOut = part }, Most);
        Assert.NotNull(found.Failure);
        TestContext.Current.TestOutputHelper?.WriteLine($"found in schedule {found.Schedules}: \"{found.Schedule}\"");
        Assert.DoesNotContain("depends on more than the order", found.Failure, StringComparison.Ordinal);
    }
}
#endif
