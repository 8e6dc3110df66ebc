using System.Globalization;
using System.Text;
using Pando.Cli.Views;
using Pando.Linux.Analysis;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;
using Pando.Tests.Shared;

namespace Pando.Cli.Tests;

/// <summary>Whatever strangers put into names, a line stays a line and does nothing to the terminal.</summary>
public class HostileNamesTests
{
    private const ulong GiB = 1UL << 30;
    private const MappingRights Shared = MappingRights.Read | MappingRights.Write | MappingRights.Shared;

    private static readonly string[] AllViews = ["object", "process", "cgroup", "vm", "html"];

    private static readonly string[] Hostile =
    [
        "\u001b[31mred\u001b[0m", "two\nlines", "\r\u001b[2K", "\u009b1mbold", "\u202etxt.exe", "\u2066\u2069", "\u2028", "\u0007\b\u007f", "[red]mark[/]", "<script>alert(1)</script>", "\ud800",
        "\u001b]0;title\u0007", "$(touch /tmp/x)`id`", "x' ; rm -rf / #",
    ];

    /// <summary>A machine on which everything that strangers may name has this in its name.</summary>
    private static MachineSnapshot Machine(string evil)
    {
        ObjectFacts[] objects =
        [
            new(0, ObjectKind.Anonymous, "[anonymous]", "", 0),
            new(1, ObjectKind.SharedMemory, $"/mnt/{evil}/file", "00:20", 7, 0, "tmpfs"),
            new(2, ObjectKind.Memfd, $"/memfd:{evil} (deleted)", "00:01", 8, 0, "tmpfs"),
            new(3, ObjectKind.DaxFile, $"/pmem/{evil}", "103:1", 9, 0, "xfs", new DaxFacts(1 << 20, (long)GiB, "xfs", [new PhysicalExtent(0, 2 << 20, GiB, 0)])),
            new(4, ObjectKind.Hugetlb, $"/huge/{evil}", "00:30", 10, 2 << 20, "hugetlbfs"),
        ];
        ProcessFacts Process(int pid) => new(pid, evil, 0, $"/{evil.Replace("\n", "", StringComparison.Ordinal)}", (4 * 514) * 4096, 0, 0,
            [.. Enumerable.Range(1, 4).Select(i => new MappingFacts((ulong)i * 2 * GiB, ((ulong)i * 2 * GiB) + GiB, 0, i == 4 && pid == 2 ? Shared & ~MappingRights.Write : Shared, i))],
            [.. Enumerable.Range(1, 4).Select(i => new PopulatedRun(i - 1, (ulong)i * 2 * GiB, ((ulong)i * 2 * GiB) + GiB, i == 4 ? 1 : 0))],
            StuckState: pid == 3 ? evil : null);
        return new MachineSnapshot(DateTimeOffset.UnixEpoch, 1, true,
            new MachineFacts($"6.12 {evil}", 4, 2, 24L << 30, 1L << 30, 0, false, [new HugePagePool(2 << 20, 0, 0, 0, 0)],
                new Dictionary<string, string> { ["CONFIG_HUGETLB_PAGE"] = "y", ["CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING"] = "y", ["CONFIG_TRANSPARENT_HUGEPAGE"] = "y", ["CONFIG_FS_DAX_PMD"] = "y" }, evil, evil, new Dictionary<string, string>()),
            objects, [Process(1), Process(2), Process(3)], [new CgroupFacts($"/{evil.Replace("\n", "", StringComparison.Ordinal)}", 4096)], [], [$"note {evil}"]);
    }

    private static List<string> Views(string evil)
    {
        var report = ScanAnalysis.Analyse(Machine(evil), new ReportOptions { At = 50 });
        var views = new List<string>();
        foreach (var by in new[] { "object", "process", "cgroup" })
        {
            foreach (var width in new int?[] { null, 80 })
            {
                using var output = new StringWriter { NewLine = "\n" };
                new ScanView(output, width, report, 12).Write(by, report.Machine);
                views.Add(output.ToString());
            }
        }

        using var range = new StringWriter { NewLine = "\n" };
        RangeView.Write(range, new RangeReport(1, evil, GiB, GiB, 2 * GiB, "rw-s", evil, 4096, evil, ObjectKind.Memfd, 0, 2, evil, 1, 1, [evil], [new RangeLevel("PTE", 0, GiB, true, 0, 0, evil)], null, evil, [evil]));
        views.Add(range.ToString());
        views.Add(HtmlReport.Render(report));
        return views;
    }

    private static bool IsHarmless(string text) => text.EnumerateRunes().All(r => r.Value != 0xFFFD &&
        (r.Value is '\n' or ' ' || Rune.GetUnicodeCategory(r) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate)));

    [Fact]
    public void No_name_reaches_the_terminal_or_the_page_raw_and_none_adds_a_line()
    {
        // On a narrow terminal a longer name costs columns, and a line that says so.
        List<int> Lines(List<string> views) => [.. views.Where((_, i) => i is not (1 or 3 or 5)).Select(v => v.Count(c => c == '\n'))];
        var plain = Lines(Views("plain"));
        Assert.All(plain, lines => Assert.True(lines > 3));
        foreach (var evil in Hostile)
        {
            var views = Views(evil);

            Assert.All(views, v => Assert.True(IsHarmless(v), v));
            Assert.Equal(plain, Lines(views));
            Assert.DoesNotContain("<script", views[^1], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Ten_thousand_mutated_names_leave_every_view_harmless()
    {
        Fuzz.ForEach(random =>
        {
            var name = Hostile[random.Next(Hostile.Length)];
            name = random.Next(2) == 0 ? Mutation.Of(name, random) : Printable.Decode(Mutation.Of(Encoding.UTF8.GetBytes(name), random));
            name = name.Replace('\uFFFD', '?'); // harmless, but of no use here: no view may make one
            var report = ScanAnalysis.Analyse(random.Next(8) == 0 ? RichMachine.Create(name) : Machine(name), new ReportOptions());
            var by = AllViews[random.Next(AllViews.Length)];
            using var output = new StringWriter { NewLine = "\n" };
            if (by == "html")
            {
                output.Write(HtmlReport.Render(report));
            }
            else
            {
                new ScanView(output, random.Next(2) == 0 ? null : random.Next(20, 200), report, 30).Write(by, null);
            }

            var view = output.ToString();
            Assert.True(IsHarmless(view), view);
            Assert.DoesNotContain("<script", by == "html" ? view : "", StringComparison.OrdinalIgnoreCase);
            Assert.Equal(report.Objects.Count, ReportJson.ReadScan(ReportJson.Write(report))!.Objects.Count);
        });
    }

    [Fact]
    public void Advice_never_runs_a_name()
    {
        foreach (var evil in Hostile)
        {
            foreach (var line in ScanAnalysis.Analyse(Machine(evil), new ReportOptions()).Advice.SelectMany(a => a.Lines))
            {
                Assert.DoesNotContain('\n', line);
                var command = line.Split('#')[0];
                Assert.True(!command.Contains("$(", StringComparison.Ordinal) || command.Contains('\'', StringComparison.Ordinal), line);
            }
        }
    }

    [Fact]
    public void An_error_on_the_terminal_is_one_line_too()
    {
        var run = PandoProcess.Run("scan", "--object", "\u001b[31mno\nsuch", "--budget", "1");

        Assert.Equal(2, run.ExitCode);
        Assert.Equal("pando: No mapped object matches '\\033[31mno\\012such'", run.Error.Split(".")[0]);
        Assert.Equal(1, run.Error.Count(c => c == '\n'));
    }

    [Fact]
    public void Columns_stand_below_each_other_where_letters_are_two_columns_wide()
    {
        var table = new TextTable(("object", 0), ("tables", 0));
        table.Add("漢字漢字", "1");
        table.Add("abcdefgh", "2");
        table.Add("😀é", "3");
        using var output = new StringWriter { NewLine = "\n" };

        table.Write(output, null);

        Assert.Equal(["object    tables", "────────────────", "漢字漢字       1", "abcdefgh       2", "😀é            3"], output.ToString().TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public void A_name_is_shortened_between_letters()
    {
        var table = new TextTable(("object", 0), ("tables", 0));
        table.Add(string.Concat(Enumerable.Repeat("😀漢", 30)), "1");
        using var output = new StringWriter { NewLine = "\n" };

        table.Write(output, 30);

        var line = output.ToString().Split('\n')[2];
        Assert.DoesNotContain(line.EnumerateRunes(), r => r.Value == 0xFFFD);
        Assert.StartsWith("…", line, StringComparison.Ordinal);
    }
}
