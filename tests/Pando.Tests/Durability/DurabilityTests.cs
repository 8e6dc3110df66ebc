using Pando.Files;

namespace Pando.Tests.Durability;

/// <summary>What the library promises of durability, on storage that forgets. PANDO_DURABLE_RUNS multiplies the runs.</summary>
public sealed class DurabilityTests
{
    private const int Runs = 40;
    private const int Operations = 150;

    private static int Factor => int.TryParse(Environment.GetEnvironmentVariable("PANDO_DURABLE_RUNS"), out int factor) ? factor : 1;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Whatever_a_crash_loses_what_was_promised_is_there_and_nothing_of_another_file(bool fails)
    {
        var outcomes = new SortedDictionary<string, int>(StringComparer.Ordinal);
        for (int seed = 1; seed <= Runs * Factor; seed++)
        {
            using var world = new DurableWorld(seed, fails);
            try
            {
                world.Run(Operations);
            }
            catch (InvalidOperationException exception)
            {
                Assert.Fail($"seed {seed}: {exception.Message}");
            }

            foreach (var (outcome, count) in world.Outcomes)
            {
                outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + count;
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(Environment.NewLine, outcomes.Select(pair => $"{pair.Value,6} {pair.Key}")));
    }

#if PANDO_CHECKED // The ordinary build leaves nothing out.
    // What matters only beside stores is left out under explored schedules.
    public static TheoryData<string> Parts => [.. Enum.GetNames<DurabilityPart>().Except(DurabilityRaces.PartsBesideStores)];

    [Theory]
    [MemberData(nameof(Parts))]
    public void Without_any_one_part_of_it_the_same_runs_find_it(string part)
    {
        var without = Enum.Parse<DurabilityPart>(part);
        for (int seed = 1; seed <= Runs * 5; seed++)
        {
            using var world = new DurableWorld(seed, fails: without == DurabilityPart.MarksComeBack, without);
            try
            {
                world.Run(Operations);
            }
            catch (InvalidOperationException exception)
            {
                TestContext.Current.TestOutputHelper?.WriteLine($"found in run {seed}: {exception.Message}");
                return;
            }
        }

        Assert.Fail($"{part} can be left out and nobody sees it.");
    }
#endif
}
