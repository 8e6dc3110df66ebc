using System.Globalization;
using Pando.Hardware;

namespace Pando.Kvm.Tests;

public class HardwareOracleTests(ITestOutputHelper output)
{
    private const int Layouts = 24;
    private const int AccessesPerLayout = 500;

    /// <summary>More accesses than a test run makes: so many layouts instead.</summary>
    private const string MoreLayouts = "PANDO_ORACLE_LAYOUTS";

    /// <summary>The first layout's seed; the others follow.</summary>
    private const string FirstSeed = "PANDO_ORACLE_SEED";

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void The_same_access_by_software_and_by_hardware_has_the_same_outcome_and_leaves_the_same_marks(int levels)
    {
        Requires.Kvm(levels);
        Compare(Number(MoreLayouts) ?? Layouts, levels == 5 ? X64Format.FiveLevels : X64Format.FourLevels);
    }

    [Fact]
    public void So_it_has_where_a_vcpu_parks_after_each_access()
    {
        Requires.Kvm();
        Compare(layouts: 4, X64Format.FourLevels, parks: true);
    }

    private void Compare(int layouts, X64Format format, bool? parks = null)
    {
        int seed = Number(FirstSeed) ?? Environment.TickCount;
        output.WriteLine($"seeds {seed} to {seed + layouts - 1}; {MoreLayouts} makes more than {Layouts} layouts, {FirstSeed} repeats");
        var outcomes = new SortedDictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < layouts; i++)
        {
            using var oracle = new HardwareOracle(seed + i, format, parks);
            oracle.Compare(AccessesPerLayout);
            foreach (var (name, count) in oracle.Outcomes)
            {
                outcomes[name] = outcomes.GetValueOrDefault(name) + count;
            }
        }

        foreach (var (name, count) in outcomes)
        {
            output.WriteLine($"{count,6} {name}");
        }

        Assert.Equal(layouts * AccessesPerLayout, outcomes.Values.Sum());

        // Enough of each kind that the comparison means something.
        Assert.True(outcomes["completed"] > layouts * AccessesPerLayout / 10, "too few accesses were allowed");
        Assert.True(outcomes.Count >= 7 || layouts < Layouts, "the layouts did not bring every kind of fault");
    }

    private static int? Number(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
