using System.Globalization;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>The suite's switches, from the environment. What is there and cannot be used fails the test: it must not pass having compared nothing.</summary>
internal static class Settings
{
    private const int MostRuns = 100_000_000;
    private const int LastSeed = 1_000_000_000;

    /// <summary>How many runs; at least one.</summary>
    public static int Runs(string name, int otherwise) => Number(name, otherwise, 1, MostRuns);

    /// <summary>PANDO_CONFORMANCE_SEED: the first run's seed.</summary>
    public static int FirstSeed() => Number("PANDO_CONFORMANCE_SEED", 1, 0, LastSeed);

    /// <summary>PANDO_CONFORMANCE_WITHOUT: what the kernel has and is to be done without, between commas.</summary>
    public static string[] Without() =>
        Environment.GetEnvironmentVariable("PANDO_CONFORMANCE_WITHOUT")?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];

    private static int Number(string name, int otherwise, int least, int most)
    {
        string? text = Environment.GetEnvironmentVariable(name);
        if (string.IsNullOrEmpty(text))
        {
            return otherwise;
        }

        bool isNumber = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value);
        Assert.True(isNumber && value >= least && value <= most, $"{name} is \"{text}\"; it must be a number from {least} to {most}.");
        return value;
    }
}
