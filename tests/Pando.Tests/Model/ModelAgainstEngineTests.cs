using System.Globalization;
using Pando.Tables;

namespace Pando.Tests.Model;

public class ModelAgainstEngineTests
{
    private const int OperationsPerRun = 400;

    // 1,280 runs of 400 operations: 512,000.
    private const int RunsPerBatch = 160;

    /// <summary>PANDO_MODEL_RUNS multiplies the runs of each batch; PANDO_MODEL_SEED moves all seeds.</summary>
    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.Integer, CultureInfo.InvariantCulture, out int value) ? value : otherwise;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public void Random_operations_have_the_same_outcomes_areas_and_bytes_as_the_model(int batch)
    {
        int runs = RunsPerBatch * Setting("PANDO_MODEL_RUNS", 1);
        int first = Setting("PANDO_MODEL_SEED", 1) + (batch * runs);
        long[] events = new long[Enum.GetValues<TableEvent>().Length];
        for (int seed = first; seed < first + runs; seed++)
        {
            RunSeed(seed, events);
        }

        // Runs that never come to what they are meant to test would pass, too.
        TableEvent[] seldom =
        [
            TableEvent.Diverged, TableEvent.Converged, TableEvent.FaultAttached, TableEvent.FaultWriteEnabled, TableEvent.FaultCopied,
            TableEvent.FaultSpurious, TableEvent.FaultFailed, TableEvent.FaultPopulated, TableEvent.ProcessorReached,
        ];
        Assert.All(seldom, what => Assert.True(events[(int)what] >= runs / 20, $"{what} happened {events[(int)what]} times in {runs} runs."));
    }

    /// <summary>The same on a format that has three levels and no rights in slots, and whose processors leave marks to the fault handler.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_format_without_rights_in_slots_whose_marks_are_set_by_faults_has_the_same_outcomes(int batch)
    {
        int runs = RunsPerBatch * Setting("PANDO_MODEL_RUNS", 1);
        int first = Setting("PANDO_MODEL_SEED", 1) + (batch * runs);
        long[] events = new long[Enum.GetValues<TableEvent>().Length];
        for (int seed = first; seed < first + runs; seed++)
        {
            RunSeed(seed, events, ModelFormat.NoSlotRights);
        }

        TableEvent[] seldom = [TableEvent.Attached, TableEvent.Diverged, TableEvent.Converged, TableEvent.FaultWriteEnabled, TableEvent.FaultMarked];
        Assert.All(seldom, what => Assert.True(events[(int)what] >= runs / 20, $"{what} happened {events[(int)what]} times in {runs} runs."));
    }

    /// <summary>The same on a format of 64 KiB pages: 8,192 entries in a table, 64 in the root, and large leaves of 512 MiB.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_format_of_64_KiB_pages_has_the_same_outcomes(int batch)
    {
        // A page costs sixteen times as much to clear, and a table to audit.
        int runs = 20 * Setting("PANDO_MODEL_RUNS", 1);
        int first = Setting("PANDO_MODEL_SEED", 1) + (batch * runs);
        long[] events = new long[Enum.GetValues<TableEvent>().Length];
        for (int seed = first; seed < first + runs; seed++)
        {
            RunSeed(seed, events, ModelFormat.LargeGranule);
        }

        TableEvent[] seldom = [TableEvent.Attached, TableEvent.Diverged, TableEvent.Converged, TableEvent.FaultWriteEnabled, TableEvent.FaultCopied];
        Assert.All(seldom, what => Assert.True(events[(int)what] >= runs / 20, $"{what} happened {events[(int)what]} times in {runs} runs."));
    }

    /// <summary>
    /// The same with everything that can be registered with a user-fault handler, which gives what would be there without it.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_handler_that_gives_what_would_be_there_without_it_is_not_noticed(int batch)
    {
        int runs = 40 * Setting("PANDO_MODEL_RUNS", 1);
        long questions = 0;
        Run(runs, Setting("PANDO_MODEL_SEED", 1) + 800_000 + (batch * runs), (world, seed) => world.RegisterAll(seed), (world, _) => questions += world.Questions);
        Assert.True(questions > runs * 20, $"{questions} questions in {runs} runs.");
    }

    /// <summary>
    /// The same with every operation made first with its first call of an allocation, of storage or of a user-fault handler
    /// failing, then with its second, and so on: what is refused has changed nothing and holds nothing, and the same operation
    /// succeeds afterwards.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whatever_call_fails_the_operation_has_changed_nothing_and_succeeds_later(int batch)
    {
        int runs = 12 * Setting("PANDO_MODEL_RUNS", 1);
        long refused = 0;
        var failed = new SortedDictionary<string, long>(StringComparer.Ordinal);
        Run(
            runs,
            Setting("PANDO_MODEL_SEED", 1) + 700_000 + (batch * runs),
            (world, seed) =>
            {
                if (seed % 4 != 0)
                {
                    world.RegisterAll(seed);
                }

                world.FailEachCall();
            },
            (world, seed) =>
            {
                refused += world.Refused;
                Assert.True(world.FailedCalls.Values.Sum() > OperationsPerRun / 4, $"Seed {seed}: {world.FailedCalls.Values.Sum()} calls failed in {OperationsPerRun} operations.");
                foreach (var (kind, count) in world.FailedCalls)
                {
                    failed[kind] = failed.GetValueOrDefault(kind) + count;
                }
            });
        TestContext.Current.TestOutputHelper?.WriteLine($"{refused:N0} operations refused; failed: {string.Join(", ", failed.Select(pair => $"{pair.Value:N0} times {pair.Key}"))}");
        Assert.True(refused > runs * 10, $"{refused} operations were refused in {runs} runs.");
        Assert.Equal(["a call of a handler", "a call of storage", "an allocation"], failed.Keys);
        Assert.All(failed, pair => Assert.True(pair.Value >= runs, $"{pair.Key} failed {pair.Value} times in {runs} runs."));
    }

    /// <summary>Runs in worlds that are prepared; the first that fails fails the test.</summary>
    private static void Run(int runs, int first, Action<World, int> prepare, Action<World, int> look)
    {
        for (int seed = first; seed < first + runs; seed++)
        {
            var random = new RandomRun(seed);
            using var world = Replay.NewWorld(random.Options());
            prepare(world, seed);
            var operations = new List<Operation>(OperationsPerRun);
            try
            {
                for (int i = 0; i < OperationsPerRun; i++)
                {
                    operations.Add(random.Next(world));
                    world.Step(operations[^1]);
                    world.Check();
                }

                world.End();
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                Assert.Fail($"Seed {seed}, step {operations.Count - 1}, {operations[^1]}: {exception}");
            }

            look(world, seed);
        }
    }

    private static void RunSeed(int seed, long[] events, ModelFormat format = ModelFormat.X64)
    {
        var random = new RandomRun(seed, format);
        var options = random.Options();
        var operations = new List<Operation>(OperationsPerRun);
        string? failure = null;
        using (var world = Replay.NewWorld(options))
        {
            try
            {
                for (int i = 0; i < OperationsPerRun; i++)
                {
                    operations.Add(random.Next(world));
                    world.Step(operations[^1]);
                    world.Check();
                }

                world.End();
                for (int i = 0; i < events.Length; i++)
                {
                    events[i] += world.Machine.Count((TableEvent)i);
                }
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                failure = exception.Message;
            }
        }

        if (failure is not null)
        {
            var shrunk = Shrinker.Shrink(operations, part => Replay.Failure(options, part) is not null);
            Assert.Fail($"Seed {seed}: {failure}{Environment.NewLine}Shrunk to: {Replay.Failure(options, shrunk)}{Environment.NewLine}{Replay.ToCode(options, shrunk)}");
        }
    }
}
