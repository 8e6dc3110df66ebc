using Pando.Linux.Analysis;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>
/// Snapshots of machines with real persistent memory: the one that scripts/dax.sh boots, with a kernel that has
/// PAGEMAP_SCAN and one that has not. (LiveDaxTests boots it anew.)
/// </summary>
public class DaxSnapshotTests
{
    private static (MachineSnapshot Snapshot, ScanReport Report) Load(string version)
    {
        var snapshot = SnapshotFile.Load(Path.Combine(AppContext.BaseDirectory, "Snapshots", $"dax-{version}.snapshot"));
        return (snapshot, ScanAnalysis.Analyse(snapshot, new ReportOptions()));
    }

    internal static IEnumerable<string> Lines(ScanReport report) => report.Objects
        .Where(o => o.Name.StartsWith("/mnt/pmem/", StringComparison.Ordinal))
        .OrderBy(o => o.Name, StringComparer.Ordinal)
        .Select(o => DaxCase.Line(o.Name["/mnt/pmem/".Length..], o.Dax!.Windows2MiB, o.Dax.Windows4KiB, o.Dax.Reasons));

    [Theory]
    [InlineData("6.12")]
    [InlineData("6.1")]
    public void Windows_and_reasons_of_each_file_are_what_the_kernel_did(string version) =>
        Assert.Equal(DaxCase.All.Select(c => c.Text), Lines(Load(version).Report));

    [Theory]
    [InlineData("6.12")]
    [InlineData("6.1")]
    public void What_advice_saves_is_what_processes_save_that_follow_it(string version)
    {
        // "shifted" is mapped 4 KiB off; "aligned" is the same file of the same size, mapped as the advice says.
        var report = Load(version).Report;
        var (shifted, aligned) = (report.Objects.Single(o => o.Name == "/mnt/pmem/shifted"), report.Objects.Single(o => o.Name == "/mnt/pmem/aligned"));

        Assert.Equal(shifted.MappedBytes, aligned.MappedBytes);
        Assert.Equal(shifted.TableBytes - (aligned.TableBytes / aligned.Processes * shifted.Processes), shifted.Cures.Single(c => c.Id == "dax-2m").SavedBytes);
    }

    [Theory]
    [InlineData("6.12")]
    [InlineData("6.1")]
    public void The_tables_of_each_process_are_those_that_VmPTE_counts(string version)
    {
        var helpers = Load(version).Report.Processes.Where(p => p.Name == "helper").ToList();

        Assert.Equal(20, helpers.Count);
        Assert.All(helpers, p => Assert.Equal((p.TableBytes, 0L), (p.Live, p.Empty)));
    }

    [Fact]
    public void Before_6_14_PageTables_leaves_roots_out_and_equals_the_sum_of_VmPTE()
    {
        var machine = Load("6.12").Report.Machine;

        Assert.Equal((0L, 0L, 0L), (machine.RootBytes, machine.NotInPageTables, machine.OtherBytes));
        Assert.Equal(machine.PageTableBytes, machine.SumVmPteBytes);
    }

    [Fact]
    public void Before_6_7_PageTables_leaves_PUD_tables_out_too()
    {
        var (snapshot, report) = Load("6.1");
        var machine = report.Machine;

        // One PUD table at least for each process, counted by VmPTE and not by PageTables.
        Assert.InRange(machine.NotInPageTables, 4096L * snapshot.Processes.Count, machine.SumVmPteBytes - machine.PageTableBytes);
        Assert.InRange(machine.OtherBytes, -8 * 4096, 8 * 4096);
        Assert.Equal(machine.PageTableBytes, machine.SumVmPteBytes - machine.SharedCountedTwice - machine.NotInPageTables + machine.RootBytes + machine.OtherBytes);
    }

    [Fact]
    public void What_would_help_a_DAX_file_is_computed_from_its_mappings()
    {
        var shifted = Load("6.12").Report.Objects.Single(o => o.Name == "/mnt/pmem/shifted");
        var cure = shifted.Cures.Single(c => c.Id == "dax-2m");

        // Two processes, 16 PTE tables each; a PMD and a PUD table of each stay.
        Assert.Equal((36 * 4096L, 4 * 4096L, 32 * 4096L), (shifted.Live.Total, cure.BytesAfter, cure.SavedBytes));
        Assert.True(cure.Available);
        Assert.All(shifted.Cures.Where(c => c.Id.StartsWith("hugetlb", StringComparison.Ordinal)), c => Assert.NotNull(c.WhyNot));
    }
}
