using System.Globalization;

namespace Pando.Tests.Shared;

/// <summary>
/// Runs of mutations. Each has a seed of its own, which stands in the message where one fails: PANDO_FUZZ_SEED=N runs that
/// one first, and then those after it; PANDO_FUZZ_RUNS=N sets their number (10,000).
/// </summary>
internal static class Fuzz
{
    private const int DefaultRuns = 10_000;

    /// <summary>How many mutations of each kind.</summary>
    public static int Runs { get; } = Setting("PANDO_FUZZ_RUNS") ?? DefaultRuns;

    /// <summary>Calls <paramref name="run"/> once for each seed.</summary>
    public static void ForEach(Action<Random> run, int part = 1)
    {
        var first = Setting("PANDO_FUZZ_SEED") ?? 1;
        for (var seed = first; seed < first + (Runs / part); seed++)
        {
            try
            {
                run(new Random(seed));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"with PANDO_FUZZ_SEED={seed}: {e.Message}", e);
            }
        }
    }

    private static int? Setting(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
