using Pando.Linux.Analysis;
using Pando.Linux.Report;
using Pando.Tests.Shared;

namespace Pando.Linux.Tests;

/// <summary>A report for which there is not time enough says what it leaves out, and its sums hold all the same.</summary>
public class BudgetTests
{
    public static TheoryData<string> Shapes { get; } = [.. SyntheticMachine.Shapes.Keys.Where(k => !k.StartsWith("hugetlb", StringComparison.Ordinal) && !k.Contains("huge file", StringComparison.Ordinal))];

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(9)]
    public void What_was_not_come_to_is_in_doubt_with_all_that_it_has(int unseen)
    {
        var snapshot = SyntheticMachine.Shapes["processes: all read"](10);
        var late = snapshot.Processes.Take(unseen).Select(p => p.Pid).ToHashSet();
        snapshot = snapshot with { Exact = false, Processes = [.. snapshot.Processes.Select(p => late.Contains(p.Pid) ? p with { Mappings = null, Populated = null } : p)] };

        var machine = ScanAnalysis.Analyse(snapshot, new ReportOptions()).Machine;

        var tables = snapshot.Processes.Where(p => late.Contains(p.Pid)).Sum(p => p.TableBytes);
        Assert.Equal(tables, machine.ErrorBytes);
        Assert.InRange(machine.Unplaced, tables, machine.SumVmPteBytes);
        Assert.Equal(0, ScanAnalysis.Analyse(snapshot with { Exact = true }, new ReportOptions()).Machine.ErrorBytes);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Whenever_the_time_is_over_the_tables_add_up_to_VmPTE(string shape)
    {
        var snapshot = SyntheticMachine.Shapes[shape](200);
        foreach (var questions in new[] { 0, 1, 2, 10, 100, 150, 190, 250, 300 })
        {
            var left = questions;
            var report = ScanAnalysis.Analyse(snapshot, new ReportOptions { HasTime = () => left-- > 0 });

            var machine = report.Machine;
            var rounding = 4096L * (report.Objects.Count + 1) * 4;
            Assert.InRange(machine.NeededOnce + machine.Duplicate + machine.Empty + machine.Unplaced, machine.SumVmPteBytes - rounding, machine.SumVmPteBytes + rounding);
            Assert.NotEmpty(report.Objects);
            Assert.Equal(snapshot.Processes.Count, report.Processes.Count);
            Assert.Equal(left < 0, report.Notes.Any(n => n.StartsWith("The time budget ran out before", StringComparison.Ordinal)));
            Assert.NotEmpty(ReportJson.Write(report));
            Assert.NotEmpty(HtmlReport.Render(report));
        }
    }
}
