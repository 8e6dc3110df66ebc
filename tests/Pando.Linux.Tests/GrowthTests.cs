using Pando.Linux.Analysis;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Tests.Shared;

namespace Pando.Linux.Tests;

/// <summary>
/// What the analysis costs, over three doublings of one kind of thing: looks at facts of the snapshot, and bytes allocated. Both are
/// counted, so that a busy machine changes nothing.
/// </summary>
public class GrowthTests
{
    private const int Least = 1000;
    private const int Doublings = 3;

    // n log n has 1.13 over these doublings.
    private const double MostExponent = 1.2;

    // Below this many, what is done once for all is most of it.
    private const long Few = 100_000;

    public static TheoryData<string> Shapes { get; } = [.. SyntheticMachine.Shapes.Keys];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Twice_as_many_things_cost_about_twice_as_much(string shape)
    {
        var make = SyntheticMachine.Shapes[shape];
        _ = Cost(make(Least)); // compiles, and makes what is made once
        var (looks, bytes) = Cost(make(Least));
        var (moreLooks, moreBytes) = Cost(make(Least << Doublings));

        TestContext.Current.TestOutputHelper!.WriteLine($"{shape}: exponents {Exponent(looks, moreLooks):0.000} of looks, {Exponent(bytes, moreBytes):0.000} of bytes");
        Assert.True(looks > 0);
        Assert.InRange(Exponent(looks, moreLooks), 0, MostExponent);
        Assert.InRange(Exponent(bytes, moreBytes), 0, MostExponent);
    }

    [Fact]
    public void A_cost_that_grows_with_the_square_is_seen()
    {
        var looks = new Counter();
        Span<long> costs = stackalloc long[2];
        foreach (var (size, i) in new[] { (1000, 0), (8000, 1) })
        {
            looks.Count = 0;
            var list = new CountingList<int>([.. Enumerable.Range(0, size)], looks);
            _ = list.Count(item => list.Any(other => other == size) || item < 0);
            costs[i] = looks.Count;
        }

        Assert.True(Exponent(costs[0], costs[1]) > 1.9);
    }

    private static double Exponent(long few, long many) => Math.Log((double)Math.Max(many, Few) / Math.Max(few, Few)) / Math.Log(1 << Doublings);

    private static (long Looks, long Bytes) Cost(MachineSnapshot snapshot)
    {
        var looks = new Counter();
        var counted = Counted(snapshot, looks);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var report = ScanAnalysis.Analyse(counted, new ReportOptions { At = 5000 });
        Assert.NotEmpty(ReportJson.Write(report));
        Assert.NotEmpty(HtmlReport.Render(report));
        return (looks.Count, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static MachineSnapshot Counted(MachineSnapshot snapshot, Counter looks)
    {
        CountingList<T> List<T>(IReadOnlyList<T> items) => new(items, looks);
        CountingList<T>? Some<T>(IReadOnlyList<T>? items) => items is null ? null : List(items);
        return snapshot with
        {
            Objects = List([.. snapshot.Objects.Select(o => o with { Dax = o.Dax is { } dax ? dax with { Extents = List(dax.Extents) } : null })]),
            Processes = List([.. snapshot.Processes.Select(p => p with { Mappings = Some(p.Mappings), Populated = Some(p.Populated), HugeRuns = Some(p.HugeRuns) })]),
            Cgroups = List(snapshot.Cgroups),
            Probes = List([.. snapshot.Probes.Select(p => p with { Present = List(p.Present) })]),
            Notes = List(snapshot.Notes),
        };
    }
}
