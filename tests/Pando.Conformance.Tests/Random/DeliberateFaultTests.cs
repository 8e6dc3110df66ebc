using Pando.Concurrency;
using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Random;

/// <summary>
/// The suite can fail: an engine that is wrong on purpose is caught by the comparison with the kernel alone (the auditor is
/// off), from every one of ten seeds, within a stated number of operations, and by what it spoils.
/// </summary>
public class DeliberateFaultTests
{
    private const int Seeds = 10;

    private static void CaughtWithin(int operations, string what, string[] differences, Action<LockstepWorld> spoil, bool userFaults = false)
    {
        Replay.RequireLockstep();
        var needed = new List<long>();
        for (int seed = 1; needed.Count < Seeds; seed++)
        {
            var run = new RandomRun(seed);
            if (run.Options.Sharing != Spaces.SharingLevels.None || (userFaults && !run.Options.UserFaults))
            {
                continue;
            }

            var counts = new LockstepCounts();
            string? failure = run.FailureWithin(operations, counts, world =>
            {
                world.Audits = false;
                spoil(world);
            });
            Assert.True(failure is not null, $"Seed {seed}: {operations} operations passed.");
            Assert.True(Array.Exists(differences, failure.Contains), $"Seed {seed} failed otherwise: {failure}");
            needed.Add(counts.Operations + 1);
        }

        ConformanceReport.Say($"{what}: caught after {string.Join(", ", needed.Order())} operations.");
    }

    [Fact]
    public void An_area_that_is_not_joined_is_caught() => CaughtWithin(400, "An area that is not joined", ["the areas of process"], world => world.Machine.Store.Omissions[OmittedStep.AreasJoined] = () => true);

    [Fact]
    public void A_right_that_stays_too_wide_is_caught() => CaughtWithin(1500, "A right that stays too wide", ["the outcome of the store", "the outcome of the load", "what the handler of process"], world => world.Machine.Store.Omissions[OmittedStep.RightsChanged] = () => true);

    [Fact]
    public void A_page_that_is_said_to_be_protected_and_is_not_is_caught()
    {
        Replay.SkipFor(Kernel.KernelFeatures.Running.WhyNoUserFaults);
        CaughtWithin(3000, "A protection that is not made", ["what the handler of process"], world => world.Machine.Store.Omissions[OmittedStep.RightsChanged] = () => world.IsProtecting, userFaults: true);
    }

    [Fact]
    public void A_table_that_is_leaked_is_caught() => CaughtWithin(1500, "A table that is leaked", ["the page tables of process"], world => world.Machine.Store.Omissions[OmittedStep.TableFreed] = () => !world.IsEnding);

    [Fact]
    public void A_flush_that_is_left_out_is_caught() => CaughtWithin(400, "A flush that is left out", ["the outcome of the store", "the outcome of the load", "the byte that was loaded", "the byte at", "what the handler of process", "the page tables of process"], world => world.Machine.Store.Omissions[OmittedStep.Flush] = () => true);
}
