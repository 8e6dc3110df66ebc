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

    /// <summary>
    /// The same with every operation made first with its first allocation failing, then with its second, and so on: what is
    /// refused has changed nothing and holds nothing, and the same operation succeeds afterwards.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whatever_allocation_fails_the_operation_has_changed_nothing_and_succeeds_later(int batch)
    {
        int runs = 12 * Setting("PANDO_MODEL_RUNS", 1);
        int first = Setting("PANDO_MODEL_SEED", 1) + 700_000 + (batch * runs);
        long refused = 0;
        for (int seed = first; seed < first + runs; seed++)
        {
            var random = new RandomRun(seed);
            var options = random.Options();
            using var world = Replay.NewWorld(options);
            var failures = world.FailEachCall();
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

            refused += world.Refused;
            Assert.True(failures.Failed > OperationsPerRun / 4, $"Seed {seed}: {failures.Failed} calls failed in {OperationsPerRun} operations.");
        }

        Assert.True(refused > runs * 10, $"{refused} operations were refused in {runs} runs.");
    }

    private static void RunSeed(int seed, long[] events)
    {
        var random = new RandomRun(seed);
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
