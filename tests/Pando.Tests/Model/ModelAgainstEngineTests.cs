using System.Globalization;

namespace Pando.Tests.Model;

public class ModelAgainstEngineTests
{
    private const int OperationsPerRun = 400;

    // 520 runs of 400 operations: 208,000.
    private const int RunsPerBatch = 65;

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
        for (int seed = first; seed < first + runs; seed++)
        {
            RunSeed(seed);
        }
    }

    private static void RunSeed(int seed)
    {
        var random = new RandomRun(seed);
        var options = random.Options();
        var operations = new List<Operation>(OperationsPerRun);
        string? failure = null;
        using (var world = new World(options))
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
