using System.Globalization;
using Pando.Costs;

namespace Pando.Tests.Growth;

/// <summary>
/// How the cost of an operation grows with what is there: over three doublings, by what is counted in the checked build (nodes,
/// areas, extents, entries and mappings that were looked at, elements moved) and by the bytes that were allocated. Time is
/// shown by the benchmark, not tested.
/// </summary>
internal static class Growth
{
    /// <summary>The most that n operations, or an operation on n things, may grow by: with n to that power. (n log n is below 1.2 here.)</summary>
    private const double MostOfAll = 1.2;

    /// <summary>The same for one operation among n things. (log n is below 0.25 here.)</summary>
    private const double MostOfOne = 0.25;

    /// <summary>Runs an operation on n things, or n operations, for n, 2n, 4n and 8n, and asserts that the cost grows with n.</summary>
    /// <param name="n">The least n.</param>
    /// <param name="build">Makes a world of n things and returns what is to be counted.</param>
    public static void AssertOfAll(int n, Func<int, Measured> build) => Assert.True(Exponents(n, build, MostOfAll, out string text), text);

    /// <summary>Runs one operation among n things, for n, 2n, 4n and 8n, and asserts that the cost hardly grows.</summary>
    public static void AssertOfOne(int n, Func<int, Measured> build) => Assert.True(Exponents(n, build, MostOfOne, out string text), text);

    /// <summary>
    /// Runs an operation on n, 2n, 4n and 8n extents, and asserts that there is a moment at which others can go on after a number
    /// of them, and of entries of tables, that does not depend on n.
    /// </summary>
    public static void AssertStretches(int n, Func<int, Measured> build)
    {
        const int MostExtents = 1500;
        const int MostEntries = 20_000;
        var extents = new List<long>();
        var entries = new List<long>();
        for (int doubling = 0; doubling < 4; doubling++)
        {
            Count(n << doubling, build);
            extents.Add(Cost.MostExtentsInStretch);
            entries.Add(Cost.MostEntriesInStretch);
        }

        string text = $"With {n} to {8 * n}, while others wait: {string.Join(", ", extents)} extents, {MostExtents} are allowed; {string.Join(", ", entries)} entries, {MostEntries} are allowed.";
        TestContext.Current.TestOutputHelper?.WriteLine(text);
        Assert.True(extents.Max() <= MostExtents && entries.Max() <= MostEntries, text);
    }

    private static bool Exponents(int n, Func<int, Measured> build, double most, out string text)
    {
        // Once for nothing, so that what is compiled and made once is not counted.
        Count(n, build);
        long[][] costs = [.. Enumerable.Range(0, 4).Select(doubling => Count(n << doubling, build))];
        bool holds = true;
        text = $"With {n}, {2 * n}, {4 * n} and {8 * n}:";
        for (int kind = 0; kind < costs[0].Length; kind++)
        {
            // A few more of nothing is no growth.
            double exponent = Math.Log2((costs[3][kind] + 100.0) / (costs[0][kind] + 100.0)) / 3;
            bool tooMuch = exponent > most;
            holds &= !tooMuch;
            string name = kind < costs[0].Length - 1 ? ((CostKind)kind).ToString() : "bytes allocated";
            text += string.Create(
                CultureInfo.InvariantCulture,
                $"\n  {name}: {string.Join(", ", costs.Select(cost => cost[kind]))}: exponent {exponent:F2}{(tooMuch ? $", more than {most}" : "")}");
        }

        TestContext.Current.TestOutputHelper?.WriteLine(text);
        return holds;
    }

    private static long[] Count(int n, Func<int, Measured> build)
    {
        using var measured = build(n);
        Cost.Begin();
        long before = GC.GetAllocatedBytesForCurrentThread();
        measured.Run();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return [.. Cost.End(), allocated];
    }
}
