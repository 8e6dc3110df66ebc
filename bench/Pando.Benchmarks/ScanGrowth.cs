using System.Diagnostics;
using System.Globalization;
using Pando.Linux.Analysis;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Benchmarks;

/// <summary>
/// What <c>pando scan</c> takes for machines with very many of one kind of thing, over three doublings: the time at the largest and the
/// exponent, which is the slope of the logarithms over the last doubling (the better of two runs of each size).
/// </summary>
internal static class ScanGrowth
{
    private const int Doublings = 3;
    private const int RunsOfEach = 2;

    /// <summary>Arguments: <c>[MOST] [NAME]</c>: how many things at most (200,000), and a part of the shape's name.</summary>
    public static int Run(string[] arguments)
    {
        var most = arguments.Length > 0 ? int.Parse(arguments[0], CultureInfo.InvariantCulture) : 200_000;
        var chosen = arguments.Length > 1 ? arguments[1] : "";
        Console.WriteLine($"analysis and report of a snapshot with {most:N0} things; seconds, and exponent over the last doubling");
        Console.WriteLine($"{"",-50} {"analysis",18} {"JSON and HTML",18} {"save and load",18}");
        _ = Measure(SyntheticMachine.Shapes.First().Value(1000)); // compiles
        foreach (var (name, make) in SyntheticMachine.Shapes.Where(s => s.Key.Contains(chosen, StringComparison.Ordinal)))
        {
            double[] before = [], last = [];
            for (var doubling = Doublings; doubling >= 0; doubling--)
            {
                var snapshot = make(most >> doubling);
                var times = Enumerable.Range(0, RunsOfEach).Select(_ => Measure(snapshot)).ToList();
                (before, last) = (last, [.. Enumerable.Range(0, 3).Select(part => times.Min(t => t[part]))]);
                if (last.Sum() > 60)
                {
                    Console.WriteLine($"  {name}: {last.Sum():0.0} s at {most >> doubling:N0}: not doubled again");
                    break;
                }
            }

            Console.WriteLine($"{name,-50}{string.Concat(last.Select((t, i) => string.Create(CultureInfo.InvariantCulture, $" {t,10:0.000} ^{(before.Length == 0 ? double.NaN : Math.Log2(t / before[i])),6:0.00}")))}");
        }

        return 0;
    }

    private static double[] Measure(MachineSnapshot snapshot)
    {
        GC.Collect();
        var clock = Stopwatch.StartNew();
        var report = ScanAnalysis.Analyse(snapshot, new ReportOptions { At = 5000 });
        var analysis = clock.Elapsed.TotalSeconds;
        clock.Restart();
        _ = ReportJson.Write(report).Length + HtmlReport.Render(report).Length;
        var writing = clock.Elapsed.TotalSeconds;
        var file = Path.GetTempFileName();
        try
        {
            clock.Restart();
            SnapshotFile.Save(snapshot, file);
            _ = SnapshotFile.Load(file);
            return [analysis, writing, clock.Elapsed.TotalSeconds];
        }
        finally
        {
            File.Delete(file);
        }
    }
}
