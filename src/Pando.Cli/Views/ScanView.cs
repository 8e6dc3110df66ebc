using System.Globalization;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Spectre.Console;

namespace Pando.Cli.Views;

/// <summary>Writes a scan for people: the machine, the rows that cost most, what would help, advice.</summary>
internal sealed class ScanView
{
    // Wide enough for the table where output goes to a file or a pipe and nobody says how wide it is.
    private const int PipeWidth = 190;
    private const int LongestName = 38;
    private const long WorthShowing = 64 * 1024;

    private readonly IAnsiConsole _console;
    private readonly ScanReport _report;
    private readonly int _top;

    public ScanView(IAnsiConsole console, ScanReport report, int top)
    {
        (_console, _report, _top) = (console, report, top);
        if (Console.IsOutputRedirected)
        {
            console.Profile.Width = PipeWidth;
        }
    }

    public void Write(string by, MachineReport? before)
    {
        WriteMachine(before);
        switch (by)
        {
            case "process":
                WriteProcesses();
                break;
            case "cgroup":
                WriteCgroups();
                break;
            default:
                WriteObjects();
                WriteSharing();
                WriteCures();
                break;
        }

        WriteAdvice();
        foreach (var note in _report.Notes)
        {
            Line($"Note: {note}");
        }
    }

    private static string Size(long bytes) => ByteText.Size(bytes);

    private static string Size(long? bytes) => bytes is { } known ? Size(known) : "-";

    private static string Short(string name) => name.Length <= LongestName ? name : "…" + name[^(LongestName - 1)..];

    // Plain text goes out unwrapped: settings are pasted, and pipes are searched line by line.
    private static void Line(string text) => Console.Out.WriteLine(text);

    private void WriteMachine(MachineReport? before)
    {
        var m = _report.Machine;
        var since = before is null ? "" : $" ({Signed(m.PageTableBytes - before.PageTableBytes)} since the last scan)";
        Line(string.Create(CultureInfo.InvariantCulture, $"Page tables: {Size(m.PageTableBytes)}{since}, {m.PageTablePercent:0.00}% of {Size(m.MemoryBytes)} RAM; KVM and IOMMU: {Size(m.SecondaryTableBytes)}; Linux {m.KernelRelease}"));
        Line($"  sum of VmPTE {Size(m.SumVmPteBytes)} of {m.Processes} processes, less {Size(m.SharedCountedTwice)} counted twice (shared hugetlb tables), plus {Size(m.RootBytes)} root tables, plus {Size(m.OtherBytes)} others (kernel's own, being freed, not visible)");
        Line($"  needed once {Size(m.NeededOnce)}, duplicate {Size(m.Duplicate)}, empty {Size(m.Empty)}, not placed {Size(m.Unplaced)}");
        var precision = _report.Exact ? $"{m.ProcessesRead} of {m.Processes} processes read to the page, all that may be read"
            : $"{m.ProcessesRead} of {m.Processes} processes read to the page, like ones carried over: split exact to ±{Size(m.ErrorBytes)}";
        Line(string.Create(CultureInfo.InvariantCulture, $"  {precision}; read in {_report.ScanSeconds:0.00} s"));
        foreach (var support in m.Support)
        {
            Line($"  {support.Name}: {support.State} ({support.Detail})");
        }

        Line("");
    }

    private static string Signed(long bytes) => bytes < 0 ? "-" + Size(-bytes) : "+" + Size(bytes);

    private static Table NewTable(params string[] columns)
    {
        var table = new Table { Border = TableBorder.Simple, ShowRowSeparators = false };
        for (var i = 0; i < columns.Length; i++)
        {
            var column = new TableColumn(Markup.Escape(columns[i])) { NoWrap = true, Padding = new Padding(0, 0, 1, 0) };
            table.AddColumn(i == 0 ? column : column.RightAligned());
        }

        return table;
    }

    private void Write(Table table, int rows)
    {
        _console.Write(table);
        if (rows > _top)
        {
            Line($"  {rows - _top} more rows; --top {rows} shows all");
        }

        Line("");
    }

    private void WriteObjects()
    {
        var table = NewTable("object", "kind", "procs", "mapped", "pages", "tables", "PTE/PMD/PUD", "once", "duplicate", "empty", "±");
        foreach (var o in _report.Objects.Take(_top))
        {
            table.AddRow(new[]
            {
                Short(o.Name), Kind(o.Kind), Count(o.Processes), Size(o.MappedBytes), o.PageSizes.Count == 0 ? "-" : string.Join("+", o.PageSizes.Keys),
                Size(o.TableBytes), $"{Count(o.Live.Pte / 4096)}/{Count(o.Live.Pmd / 4096)}/{Count(o.Live.Pud / 4096)}", Size(o.NeededOnce), Size(o.Duplicate), Size(o.Empty), o.ErrorBytes == 0 ? "0" : Size(o.ErrorBytes),
            }.Select(Markup.Escape).ToArray());
        }

        Write(table, _report.Objects.Count);
    }

    private static string Kind(ObjectKind kind) => kind switch
    {
        ObjectKind.SharedMemory => "tmpfs",
        ObjectKind.SystemV => "sysv shm",
        ObjectKind.SharedAnonymous => "shared anon",
        ObjectKind.DaxFile => "dax file",
        ObjectKind.DaxDevice => "dax device",
        _ => kind.ToString().ToLowerInvariant(),
    };

    private static string Count(long number) => number.ToString(CultureInfo.InvariantCulture);

    private void WriteSharing()
    {
        foreach (var o in _report.Objects.Where(o => o.Sharing is { Processes: > 0 }).Take(_top))
        {
            var s = o.Sharing!;
            Line($"Is it shared: {o.Name}: {s.Tables} PMD tables exist, {s.TablesIfPrivate} if each process had its own; {s.SharingProcesses} of {s.Processes} processes share{(s.Measured ? " (counted by kpagecount)" : " (by the kernel's rules; not counted)")}");
            WriteOutsiders(s);

            foreach (var remark in s.Remarks)
            {
                Line($"  {remark}");
            }

            Line("");
        }

        foreach (var o in _report.Objects.Where(o => o.Dax is not null).Take(_top))
        {
            var d = o.Dax!;
            Line($"DAX: {o.Name}: {d.Windows2MiB} windows with 2 MiB leaves, {d.Windows4KiB} with 4 KiB; {d.Detail}");
            foreach (var (reason, windows) in d.Reasons)
            {
                Line($"  {reason}: {windows} windows");
            }

            Line("");
        }
    }

    /// <summary>Processes that are outside for the same reasons are told once.</summary>
    private void WriteOutsiders(HugetlbSharing sharing)
    {
        foreach (var like in sharing.Outsiders.GroupBy(o => (o.OwnTables, Reasons: string.Join("; ", o.Reasons.Select(r => $"{r.Reason} for {r.Spans} GiB"))))
            .OrderByDescending(g => g.Count()).Take(_top))
        {
            var pids = string.Join(", ", like.Take(4).Select(o => $"{o.Pid} ({o.Name})"));
            Line($"  outside with {like.Key.OwnTables} table{(like.Key.OwnTables == 1 ? "" : "s")} of their own: {like.Count()} process{(like.Count() == 1 ? "" : "es")}: {pids}{(like.Count() > 4 ? ", ..." : "")}");
            foreach (var reason in like.First().Reasons)
            {
                Line($"    {reason.Reason}, {reason.Spans} GiB span{(reason.Spans == 1 ? "" : "s")}: {reason.Detail}");
            }
        }
    }

    private void WriteCures()
    {
        var objects = _report.Objects.Where(o => o.Cures.Any(c => c.SavedBytes >= WorthShowing)).Take(_top).ToList();
        if (objects.Count == 0)
        {
            return;
        }

        Line(_report.At is { } at
            ? $"What would help (bytes of tables after the cure; in brackets what that saves; then at {at} processes: now -> after)"
            : "What would help (bytes of tables after the cure; in brackets what that saves)");
        foreach (var o in objects)
        {
            Line($"  {o.Name}: {Size(o.Live.Total)} now");
            foreach (var c in o.Cures)
            {
                Line(c.WhyNot is { } why
                    ? $"    {c.Name,-46} - ({why})"
                    : $"    {c.Name,-46} {Size(c.BytesAfter),9} (saves {Size(c.SavedBytes)}){(c.Available ? "" : ", not on this kernel")}{(c.AtBytesNow is null ? "" : $"; {Size(c.AtBytesNow)} -> {Size(c.AtBytesAfter)}")}");
            }
        }

        Line("");
    }

    private void WriteProcesses()
    {
        var table = NewTable("process", "pid", "user", "VmPTE", "with entries", "duplicate", "empty", "most for", "read");
        foreach (var p in _report.Processes.Take(_top))
        {
            table.AddRow(new[]
            {
                Short(p.Name), Count(p.Pid), Count(p.User), Size(p.TableBytes), Size(p.Live), Size(p.Duplicate), Size(p.Empty),
                p.Objects.Count == 0 ? "-" : $"{Short(p.Objects[0].Name)} {Size(p.Objects[0].Bytes)}", p.IsRead ? "yes" : "carried over",
            }.Select(Markup.Escape).ToArray());
        }

        Write(table, _report.Processes.Count);
    }

    private void WriteCgroups()
    {
        var table = NewTable("cgroup", "processes", "sum of VmPTE", "with entries", "duplicate", "empty", "charged");
        foreach (var g in _report.Cgroups.Take(_top))
        {
            table.AddRow(new[] { Short(g.Path), Count(g.Processes), Size(g.TableBytes), Size(g.Live), Size(g.Duplicate), Size(g.Empty), Size(g.ChargedBytes) }.Select(Markup.Escape).ToArray());
        }

        Write(table, _report.Cgroups.Count);
    }

    private void WriteAdvice()
    {
        foreach (var advice in _report.Advice.Take(_top))
        {
            Line($"Advice: {advice.Title}{(advice.SavedBytes is { } saved ? $", saves {Size(saved)}" : "")}");
            foreach (var line in advice.Lines)
            {
                Line($"    {line}");
            }

            Line($"  Cost: {advice.Cost}");
            Line("");
        }
    }
}
