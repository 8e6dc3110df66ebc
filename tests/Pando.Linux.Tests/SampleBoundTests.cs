using System.Globalization;
using Pando.Linux.Analysis;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>The bound of what a sample says holds as often as it is said to, and is no wider than it must be.</summary>
public class SampleBoundTests
{
    private const long Table = 4096;

    // Figures are rounded to whole tables, level by level.
    private const long Rounding = 3 * Table;

    private const int MachinesOfShape = 8;
    private const int Windows = 400;

    [Fact]
    public void The_truth_lies_outside_the_bound_no_more_often_than_stated()
    {
        var random = new Random(17);
        int claims = 0, outside = 0;
        var output = TestContext.Current.TestOutputHelper!;
        output.WriteLine($"{"shape",-46} {"processes",9} {"read",6} {"bound",7} {"error",7}   of the machine's tables, mean of {MachinesOfShape}");
        foreach (var shape in SampledMachine.Shapes.Keys)
        {
            double processes = 0, read = 0, bound = 0, error = 0;
            for (var i = 0; i < MachinesOfShape; i++)
            {
                var machine = SampledMachine.Make(shape, random.Next(10, 700), Windows, random);
                var truth = ScanAnalysis.Analyse(machine, new ReportOptions());
                var report = ScanAnalysis.Analyse(SampledMachine.Scan(machine, random), new ReportOptions());
                foreach (var o in report.Objects)
                {
                    claims++;
                    outside += Misses(o, truth.Objects.Single(t => t.Number == o.Number)) > o.ErrorBytes + Rounding ? 1 : 0;
                }

                var (m, t) = (report.Machine, truth.Machine);
                var miss = Most(m.NeededOnce - t.NeededOnce, m.Duplicate - t.Duplicate, m.Empty - t.Empty);
                claims++;
                outside += miss > m.ErrorBytes + (3 * Rounding) ? 1 : 0;
                Assert.Equal(0, truth.Machine.ErrorBytes);
                processes += m.Processes;
                read += m.ProcessesRead;
                bound += (double)m.ErrorBytes / m.SumVmPteBytes;
                error += (double)miss / m.SumVmPteBytes;
            }

            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{shape,-46} {processes / MachinesOfShape,9:0} {read / MachinesOfShape,6:0} {bound / MachinesOfShape,7:0.0%} {error / MachinesOfShape,7:0.0%}"));
        }

        output.WriteLine($"{outside} of {claims} claims outside");
        Assert.True(claims > 300);
        Assert.InRange(outside, 0, (int)(claims * (1 - SampleBound.Confidence)));
    }

    [Theory]
    [InlineData(0.03)]
    [InlineData(0.1)]
    [InlineData(0.3)]
    [InlineData(0.6)]
    public void It_holds_too_where_time_ended_the_reading(double part)
    {
        var random = new Random(18);
        int claims = 0, outside = 0;
        var largest = 0.0;
        var output = TestContext.Current.TestOutputHelper!;
        foreach (var shape in SampledMachine.Shapes.Keys)
        {
            var machine = SampledMachine.Make(shape, 400, Windows, random);
            var plan = new SamplePlan(machine.Processes, new HashSet<int>(), random);
            var order = plan.First().Concat(plan.More(all: true)).ToList();
            var truth = ScanAnalysis.Analyse(machine, new ReportOptions());
            var report = ScanAnalysis.Analyse(SampledMachine.Read(machine, order.Take((int)(order.Count * part)).ToDictionary(m => m.Pid, m => m.Rank)), new ReportOptions());
            foreach (var o in report.Objects)
            {
                var miss = Misses(o, truth.Objects.Single(t => t.Number == o.Number));
                claims++;
                outside += miss > o.ErrorBytes + Rounding ? 1 : 0;
                largest = Math.Max(largest, miss <= Rounding ? 0 : (double)miss / o.ErrorBytes);
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{part:0%} {shape,-46} {o.Label,-20} bound {(double)o.ErrorBytes / Math.Max(1, o.TableBytes),8:0.0%} error {(double)miss / Math.Max(1, o.TableBytes),8:0.0%}"));
            }
        }

        Assert.InRange(outside, 0, (int)(claims * (1 - SampleBound.Confidence)));

        // A bound that no error comes near would hold for no reason.
        Assert.True(part > 0.5 || largest > 0.1, $"the largest error is {largest:0.00} of its bound");
    }

    [Fact]
    public void Large_classes_of_like_processes_are_bound_as_closely_as_wanted_without_reading_all()
    {
        var random = new Random(19);
        var machine = SampledMachine.Make("all alike", 2000, 200, random);

        var report = ScanAnalysis.Analyse(SampledMachine.Scan(machine, random), new ReportOptions());

        Assert.InRange(report.Machine.ProcessesRead, 50, 500);
        Assert.InRange((double)report.Machine.ErrorBytes / report.Machine.SumVmPteBytes, 0.001, 2 * SamplePlan.WantedWidth);
    }

    [Fact]
    public void Eight_workers_that_each_have_a_slice_of_their_own_have_no_duplicates()
    {
        // The issue's case: same name, same VmPTE, 50 windows each of one object of 400.
        var random = new Random(20);
        var machine = SampledMachine.Make("a slice each", 8, 400, random);

        var pool = ScanAnalysis.Analyse(SampledMachine.Scan(machine, random), new ReportOptions()).Objects.Single(o => o.Number == 1);

        // What is left are tables of PMDs and PUDs, and of the windows in which two slices meet.
        Assert.InRange(pool.Duplicate, 0, pool.ErrorBytes + (8 * 4 * Table));
        Assert.InRange(pool.NeededOnce, (400 - 8) * Table, pool.TableBytes);
    }

    [Fact]
    public void A_class_of_which_one_process_was_read_may_be_anything()
    {
        var random = new Random(21);
        var machine = SampledMachine.Make("one object or the other", 40, Windows, random);

        var report = ScanAnalysis.Analyse(SampledMachine.Read(machine, new Dictionary<int, int> { [1] = 0 }), new ReportOptions());

        Assert.True(report.Objects.Single(o => o.Number == 1).ErrorBytes >= 39 * (Windows / 4) * Table / 2);
    }

    [Fact]
    public void Many_small_objects_in_the_same_tables_are_in_doubt_by_no_more_than_the_unread_have()
    {
        // 100 files of a page each in one window: three tables, that show 300 pieces.
        ObjectFacts[] objects = [new(0, ObjectKind.Anonymous, "[anonymous]", "", 0), .. Enumerable.Range(1, 100).Select(i => new ObjectFacts(i, ObjectKind.File, $"/lib/{i}.so", "08:01", (ulong)i))];
        var mappings = Enumerable.Range(1, 100).Select(i => new MappingFacts((1UL << 40) + ((ulong)i << 13), (1UL << 40) + ((ulong)i << 13) + 4096, 0, MappingRights.Read, i)).ToArray();
        var runs = mappings.Select((m, i) => new PopulatedRun(i, m.Start, m.End, 0)).ToArray();
        var snapshot = SampledMachine.Make("all alike", 1, Windows, new Random(23)) with
        {
            Objects = objects,
            Exact = false,
            Processes = [.. Enumerable.Range(0, 40).Select(i => new ProcessFacts(i + 1, "worker", 0, "/", 3 * Table, 0, 0, mappings, i < 32 ? runs : null, SampleRank: i < 32 ? i : null))],
        };

        var machine = ScanAnalysis.Analyse(snapshot, new ReportOptions()).Machine;

        Assert.Equal((3 * Table, 39 * 3 * Table), (machine.NeededOnce, machine.Duplicate));
        Assert.InRange(machine.ErrorBytes, 1, 8 * 3 * 2 * Table);
    }

    [Theory]
    [InlineData(0, 60, 3)]
    [InlineData(0.1, 60, 3)]
    [InlineData(0.5, 20, 5)]
    [InlineData(1, 60, 3)]
    public void The_bound_of_a_mean_is_where_so_few_would_be_seen(double mean, int count, double doubt)
    {
        var (upper, lower) = (MeanBound.Upper(mean, count, doubt), MeanBound.Lower(mean, count, doubt));

        Assert.InRange(mean, lower, upper);
        Assert.InRange(upper, mean, mean + Math.Sqrt(doubt / (2 * count)) + 1e-9); // Hoeffding's second inequality is the weaker
        Assert.InRange(lower, mean - Math.Sqrt(doubt / (2 * count)) - 1e-9, mean);
        Assert.Equal(mean == 0 ? 1 - Math.Exp(-doubt / count) : upper, upper, 1e-12);
        Assert.True(MeanBound.Upper(mean, count * 2, doubt) <= upper);
        Assert.Equal(1, MeanBound.Upper(mean, 0, doubt));
    }

    [Theory]
    [InlineData(60, 20, 3)]
    [InlineData(60, 50, 3)]
    [InlineData(400, 30, 5)]
    [InlineData(400, 300, 5)]
    [InlineData(40, 39, 5)]
    public void The_bound_of_a_sum_is_passed_as_seldom_as_stated(int population, int count, double doubt)
    {
        for (var ones = 0; ones <= population; ones++)
        {
            // How many of the ones are drawn: the hypergeometric distribution, summed where the bound is wrong.
            double above = 0, below = 0;
            for (var found = Math.Max(0, count - (population - ones)); found <= Math.Min(ones, count); found++)
            {
                var probability = Math.Exp(LogChoose(ones, found) + LogChoose(population - ones, count - found) - LogChoose(population, count));
                above += MeanBound.UpperSum(found, count, population, doubt) < ones ? probability : 0;
                below += MeanBound.LowerSum(found, count, population, doubt) > ones ? probability : 0;
            }

            Assert.InRange(above, 0, Math.Exp(-doubt));
            Assert.InRange(below, 0, Math.Exp(-doubt));
        }

        Assert.Equal(population, MeanBound.UpperSum(0, 0, population, doubt));
        Assert.Equal(0, MeanBound.UpperSum(0, population, population, doubt));
        Assert.True(MeanBound.UpperSum(0, count, population, doubt) <= population * MeanBound.Upper(0, count, doubt));

        static double LogChoose(int n, int k) => Enumerable.Range(1, k).Sum(i => Math.Log(n - k + i) - Math.Log(i));
    }

    [Theory]
    [InlineData(0.02)]
    [InlineData(0.2)]
    [InlineData(0.6)]
    public void Processes_that_cannot_be_read_may_be_what_the_others_are_not(double part)
    {
        // They end, refuse or take too long, and have what none of the others has.
        var random = new Random(22);
        var outside = 0;
        for (var i = 0; i < 20; i++)
        {
            var machine = SampledMachine.Make("one object or the other", 300, Windows, random);
            var truth = ScanAnalysis.Analyse(machine, new ReportOptions());
            var others = machine.Processes.Where(p => p.Populated!.Any(r => r.Mapping == 2)).Select(p => p.Pid).ToList();
            var refusing = others.Take((int)(others.Count * part)).ToHashSet();
            var plan = new SamplePlan(machine.Processes, new HashSet<int>(), random);
            var report = ScanAnalysis.Analyse(SampledMachine.Read(machine, plan.First().Concat(plan.More()).ToDictionary(m => m.Pid, m => m.Rank), refusing), new ReportOptions());

            outside += report.Objects.Any(o => Misses(o, truth.Objects.Single(t => t.Number == o.Number)) > o.ErrorBytes + Rounding) ? 1 : 0;
        }

        Assert.Equal(0, outside);
    }

    private static long Misses(ObjectReport o, ObjectReport truth) => Most(o.TableBytes - truth.TableBytes, o.NeededOnce - truth.NeededOnce, o.Duplicate - truth.Duplicate);

    private static long Most(params long[] differences) => differences.Max(Math.Abs);
}
