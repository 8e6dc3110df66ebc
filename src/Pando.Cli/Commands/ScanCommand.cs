using System.CommandLine;
using System.Diagnostics;
using Pando.Cli.Views;
using Pando.Linux.Analysis;
using Pando.Linux.Proc;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Cli.Commands;

/// <summary>pando scan: what page tables cost on this machine, who pays, how much is duplicate, what would help.</summary>
internal static class ScanCommand
{
    private static readonly Argument<string?> File = new("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = "A snapshot made with --save; without it, this machine is read." };
    private static readonly Option<bool> Json = new("--json") { Description = "Write the report as JSON (docs/scan.md has the schema)." };
    private static readonly Option<string?> Html = new("--html") { Description = "Write the report as one self-contained page.", HelpName = "FILE" };
    private static readonly Option<string?> Save = new("--save") { Description = "Save what was read, to look at it elsewhere: pando scan FILE.", HelpName = "FILE" };
    private static readonly Option<int?> Pid = new("--pid") { Description = "Only objects that this process maps.", HelpName = "PID" };
    private static readonly Option<string?> ObjectName = new("--object") { Description = "Only objects whose path contains this, or DEVICE:INODE.", HelpName = "NAME" };
    private static readonly Option<string?> Cgroup = new("--cgroup") { Description = "Only the processes of this cgroup.", HelpName = "PATH" };
    private static readonly Option<string> By = Choice();
    private static readonly Option<int?> At = new("--at") { Description = "Compute also for this number of processes on each shared object.", HelpName = "PROCESSES" };
    private static readonly Option<int> Top = new("--top") { Description = "How many rows.", DefaultValueFactory = _ => 12, HelpName = "ROWS" };
    private static readonly Option<double?> Watch = new("--watch") { Description = "Scan again every so many seconds, until interrupted.", HelpName = "SECONDS" };
    private static readonly Option<int?> Times = new("--times") { Description = "With --watch: stop after so many scans.", HelpName = "COUNT" };
    private static readonly Option<bool> Exact = new("--exact") { Description = "Read every process to the page, not a sample of like ones." };
    private static readonly Option<double?> Budget = new("--budget") { Description = "Take about so many seconds for all, whatever the machine looks like; what there was no time for is named.", HelpName = "SECONDS" };

    // Of the time budget: what is left after it is for writing the report.
    private const double AnalysisPart = 0.85;

    public static Command Create()
    {
        var command = new Command("scan", "What page tables cost on this machine, who pays, how much is duplicate, what would help.")
        {
            File, Json, Html, Save, Pid, ObjectName, Cgroup, By, At, Top, Watch, Times, Exact, Budget,
        };
        command.SetAction(parsed => CommandErrors.Guard(() => Run(parsed)));
        return command;
    }

    private static Option<string> Choice()
    {
        var option = new Option<string>("--by") { Description = "What a row is: object, process, cgroup or vm (a virtual machine on KVM).", DefaultValueFactory = _ => "object" };
        option.AcceptOnlyFromAmong("object", "process", "cgroup", "vm");
        return option;
    }

    private static int Run(ParseResult parsed)
    {
        if (Check(parsed) is { } wrong)
        {
            return CommandErrors.Fail(wrong);
        }

        if (parsed.GetValue(Watch) is not { } seconds)
        {
            return RunOnce(parsed, null).Code;
        }

        MachineReport? before = null;
        for (var i = 0; parsed.GetValue(Times) is not { } times || i < times; i++)
        {
            if (i > 0)
            {
                Thread.Sleep(TimeSpan.FromSeconds(seconds));
            }

            (var code, before) = RunOnce(parsed, before);
            if (code != 0)
            {
                return code;
            }
        }

        return 0;
    }

    private static string? Check(ParseResult parsed)
    {
        var live = parsed.GetValue(File) is null;
        return parsed switch
        {
            _ when parsed.GetValue(File) is { } file && !System.IO.File.Exists(file) => file.StartsWith('-')
                ? $"There is no option '{file}'. See: pando scan --help"
                : $"There is no snapshot '{file}'. Make one with: pando scan --save FILE",
            _ when NoDirectory(parsed.GetValue(Html)) is { } html => $"--html: there is no directory '{html}'.",
            _ when NoDirectory(parsed.GetValue(Save)) is { } save => $"--save: there is no directory '{save}'.",
            _ when live && !OperatingSystem.IsLinux() => "This machine has no Linux to read. Look at a snapshot instead: pando scan FILE",
            _ when live && Environment.SystemPageSize != 4096 => $"This machine has pages of {Environment.SystemPageSize} bytes; the geometry of tables is known for 4096 only.",
            _ when parsed.GetValue(At) is <= 0 => "--at needs a number of processes above zero, as in: --at 5000",
            _ when parsed.GetValue(Top) <= 0 => "--top needs a number of rows above zero, as in: --top 20",
            _ when parsed.GetValue(Watch) is not (null or (> 0 and <= 86400)) => "--watch needs a number of seconds above zero, as in: --watch 10",
            _ when parsed.GetValue(Times) is <= 0 => "--times needs a number of scans above zero, as in: --watch 10 --times 3",
            _ when parsed.GetValue(Times) is not null && parsed.GetValue(Watch) is null => "--times goes with --watch, as in: --watch 10 --times 3",
            _ when parsed.GetValue(Budget) is not (null or (> 0 and <= 86400)) => "--budget needs a number of seconds above zero, as in: --budget 2",
            _ when !live && (parsed.GetValue(Watch) is not null || parsed.GetValue(Exact) || parsed.GetValue(Budget) is not null || parsed.GetValue(Save) is not null)
                => "--watch, --exact, --budget and --save read this machine; they do not go with a snapshot FILE.",
            _ => null,
        };
    }

    private static string? NoDirectory(string? file) =>
        file is not null && Path.GetDirectoryName(Path.GetFullPath(file)) is { } directory && !Directory.Exists(directory) ? directory : null;

    /// <summary>Columns of the terminal; null for a file or a pipe, which take lines of any length.</summary>
    private static int? TerminalWidth() => Console.IsOutputRedirected || Console.WindowWidth <= 0 ? null : Console.WindowWidth;

    private static (int Code, MachineReport? Machine) RunOnce(ParseResult parsed, MachineReport? before)
    {
        var clock = Stopwatch.StartNew();
        TimeSpan? time = parsed.GetValue(Budget) is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        var snapshot = parsed.GetValue(File) is { } file
            ? SnapshotFile.Load(file)
            : MachineScanner.Scan(new ScanOptions
            {
                Exact = parsed.GetValue(Exact),
                Budget = time,
                Pid = parsed.GetValue(Pid),
                MeasuresFork = parsed.GetValue(Budget) is null or >= 1,
                FileAsker = FileAskerCommand.CommandLine(),
            });
        if (parsed.GetValue(Save) is { } save)
        {
            SnapshotFile.Save(snapshot, save);
        }

        var report = ScanAnalysis.Analyse(snapshot, new ReportOptions
        {
            At = parsed.GetValue(At),
            Pid = parsed.GetValue(Pid),
            ObjectName = parsed.GetValue(ObjectName),
            Cgroup = parsed.GetValue(Cgroup),
            HasTime = time is { } budget ? () => clock.Elapsed < budget * AnalysisPart : null,
        });
        report = report with { TotalSeconds = parsed.GetValue(File) is null ? clock.Elapsed.TotalSeconds : null };
        if (parsed.GetValue(Html) is { } html)
        {
            System.IO.File.WriteAllText(html, HtmlReport.Render(report));
        }

        if (parsed.GetValue(Json))
        {
            Console.Out.WriteLine(ReportJson.Write(report));
        }
        else
        {
            new ScanView(Console.Out, TerminalWidth(), report, parsed.GetValue(Top)).Write(parsed.GetValue(By) ?? "object", before);
        }

        return (0, report.Machine);
    }
}
