using System.Globalization;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Cli.Views;

/// <summary>Writes a scan for people: the machine, the rows that cost most, what would help, advice.</summary>
internal sealed class ScanView(TextWriter output, int? width, ScanReport report, int top)
{
    private const long WorthShowing = 1L << 20;

    private readonly LineWriter _lines = new(output);

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
            case "vm":
                WriteMachines(isAsked: true);
                break;
            default:
                WriteObjects();
                WriteSharing();
                WriteDax();
                WriteMachines(isAsked: false);
                WriteCures();
                WriteAdvice();
                break;
        }

        WriteSupport();
        foreach (var note in report.Notes)
        {
            Line($"Note: {note}");
        }
    }

    /// <summary>The kind as one or two short words.</summary>
    internal static string Kind(ObjectKind kind) => kind switch
    {
        ObjectKind.SharedMemory => "tmpfs",
        ObjectKind.SystemV => "sysv shm",
        ObjectKind.SharedAnonymous => "shared anon",
        ObjectKind.DaxFile => "dax file",
        ObjectKind.DaxDevice => "dax device",
        _ => kind.ToString().ToLowerInvariant(),
    };

    private static string Size(long bytes) => ByteText.Size(bytes);

    private static string Size(long? bytes) => bytes is { } known ? Size(known) : "-";

    private static string Signed(long bytes) => bytes < 0 ? "-" + Size(-bytes) : "+" + Size(bytes);

    private static string Count(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Number(long number, string one, string? many = null) => $"{Count(number)} {(number == 1 ? one : many ?? one + "s")}";

    private void Line(string text = "") => _lines.Line(text);

    private void WriteMachine(MachineReport? before)
    {
        var m = report.Machine;
        var since = before is null ? "" : $" ({Signed(m.PageTableBytes - before.PageTableBytes)} since the last scan)";
        var part = m.MemoryBytes == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", {m.PageTablePercent:0.00}% of {Size(m.MemoryBytes)} RAM");
        Line($"Page tables: {Size(m.PageTableBytes)}{since}{part}; KVM and IOMMU: {Size(m.SecondaryTableBytes)}; Linux {m.KernelRelease}");
        Line(string.Create(CultureInfo.InvariantCulture, $"  {m.OrdinaryPercent:0.00}% of the memory that is not in huge page pools: {(m.OrdinaryPercent >= m.WarningPercent ? $"above {m.WarningPercent:0.#}%, from which it is worth a look whose they are" : $"below the line of {m.WarningPercent:0.#}%, above which it is worth a look whose they are")}"));
        if (m.Nodes is { Count: > 1 } nodes)
        {
            Line($"  by NUMA node: {string.Join(", ", nodes.Select(n => $"N{n.Node} {Size(n.TableBytes)}"))}");
        }

        if (m.TableSharing is { } sharing)
        {
            Line($"  this kernel can share tables of PTEs ({sharing}): sums of VmPTE below are upper bounds, see the note");
        }

        var left = m.NotInPageTables == 0 ? "" : $", less {Size(m.NotInPageTables)} PUD tables that this kernel leaves out";
        var roots = m.RootBytes == 0 ? "" : $", plus {Size(m.RootBytes)} root tables";
        var others = m.OtherBytes < 0
            ? $"; {Size(-m.OtherBytes)} less than that, by change during the scan or sharing that could not be seen"
            : $", plus {Size(m.OtherBytes)} others (kernel's own, being freed, not visible)";
        Line($"  = sum of VmPTE {Size(m.SumVmPteBytes)} of {Number(m.Processes, "process", "processes")}, less {Size(m.SharedCountedTwice)} counted twice (shared hugetlb tables){left}{roots}{others}");
        Line(m.ProcessesRead == 0
            ? "  no process was read to the page: whose tables they are is not known"
            : $"  needed once {Size(m.NeededOnce)}, duplicate {Size(m.Duplicate)}, empty {Size(m.Empty)}, not placed {Size(m.Unplaced)}");
        var precision = report.Exact ? "all that may be read" : m.ProcessesRead == m.Processes ? "all of these" : $"like ones carried over: split exact to ±{Size(m.ErrorBytes)} with {m.Confidence * 100:0}% confidence{(m.Unplaced > m.SumVmPteBytes / 100 ? " (what is not placed may be any of the three)" : "")}";
        Line(string.Create(CultureInfo.InvariantCulture, $"  {m.ProcessesRead} of {Number(m.Processes, "process", "processes")}{(m.Unseen is null ? "" : $" that can be seen ({m.Unseen})")} read to the page{(m.ProcessesRead == 0 ? "" : ", " + precision)}; {(report.TotalSeconds is { } total ? string.Create(CultureInfo.InvariantCulture, $"{total:0.00} s, {report.ScanSeconds:0.00} s of it reading") : string.Create(CultureInfo.InvariantCulture, $"read in {report.ScanSeconds:0.00} s"))}"));
        Line();
    }

    private void WriteSupport()
    {
        Line("This kernel:");
        foreach (var support in report.Machine.Support)
        {
            Line($"  {support.Name}: {support.State} ({support.Detail})");
        }

        Line();
    }

    private void Write(TextTable table, int rows)
    {
        table.Write(output, width);
        if (rows > top)
        {
            Line($"  {Number(rows - top, "more row")}; --top {rows} shows all");
        }

        Line();
    }

    private void WriteObjects()
    {
        var table = new TextTable(("object", 0), ("kind", 5), ("procs", 1), ("mapped", 4), ("resident", 8), ("touched", 9), ("pages", 3), ("tables", 0), ("PTE/PMD/PUD", 7), ("once", 2), ("duplicate", 0), ("empty", 0), ("±", 6));
        foreach (var o in report.Objects.Take(top))
        {
            table.Add(
                o.Label, Kind(o.Kind), Count(o.Processes), Size(o.MappedBytes), Size(o.ResidentBytes), Size(o.TouchedBytes), o.PageSizes.Count == 0 ? "-" : string.Join("+", o.PageSizes.Keys),
                Size(o.TableBytes), $"{Count(o.Live.Pte / 4096)}/{Count(o.Live.Pmd / 4096)}/{Count(o.Live.Pud / 4096)}", Size(o.NeededOnce), Size(o.Duplicate), Size(o.Empty), o.ErrorBytes == 0 ? "0" : Size(o.ErrorBytes));
        }

        Write(table, report.Objects.Count);
    }

    private void WriteSharing()
    {
        // Huge pages of one process's own have nobody to share with: said only where they are asked about.
        foreach (var o in report.Objects.Where(o => o.Sharing is { Processes: > 0 } s && (s.Processes > 1 || s.TablesIfPrivate > s.Tables || report.Objects.Count == 1)).Take(top))
        {
            var s = o.Sharing!;
            Line(s.TablesIfPrivate == 0
                ? $"Is it shared: {o.Label}: no PMD tables of 2 MiB pages for {Number(s.Processes, "process", "processes")}"
                : $"Is it shared: {o.Label}: {Number(s.Tables, "PMD table")} for {Number(s.Processes, "process", "processes")}, {s.TablesIfPrivate} if each had its own; {s.SharingProcesses} share{(s.Measured ? " (counted by kpagecount)" : " (by the kernel's rules; not counted)")}{OfSample(s)}");
            WriteOutsiders(s);
            foreach (var remark in s.Remarks)
            {
                Line($"  {remark}");
            }

            Line();
        }
    }

    /// <summary>What is said of a sample is said to be of one.</summary>
    internal static string OfSample(HugetlbSharing sharing) => sharing.ProcessesCounted >= sharing.Processes ? ""
        : $"; of a sample: {sharing.ProcessesCounted} of {sharing.Processes} processes were looked at, the rest are taken to be like these";

    /// <summary>Processes that are outside for the same reasons are told once.</summary>
    private void WriteOutsiders(HugetlbSharing sharing)
    {
        foreach (var like in sharing.Outsiders.GroupBy(o => (o.OwnTables, o.ApartTables, Reasons: string.Join("; ", o.Reasons.Select(r => $"{r.Reason} for {r.Spans} GiB"))))
            .OrderByDescending(g => g.Count()).Take(top))
        {
            var pids = string.Join(", ", like.Take(4).Select(o => $"{o.Pid} ({o.Name})"));
            var apart = like.Key.ApartTables == 0 ? "" : $"{(like.Key.OwnTables == 0 ? "" : " and ")}{Number(like.Key.ApartTables, "table")} that fewer share than could";
            Line($"  outside with {(like.Key.OwnTables == 0 && apart.Length > 0 ? "" : $"{Number(like.Key.OwnTables, "table")} of its own")}{apart}: {Number(like.Count(), "process", "processes")}: {pids}{(like.Count() > 4 ? ", ..." : "")}");
            foreach (var reason in like.First().Reasons)
            {
                Line($"    {reason.Reason} in {Number(reason.Spans, "span")} of 1 GiB{(reason.Spans > 1 ? ", the first" : "")}: {reason.Detail}");
            }
        }
    }

    private void WriteDax()
    {
        foreach (var o in report.Objects.Where(o => o.Dax is not null).Take(top))
        {
            var d = o.Dax!;
            Line($"DAX: {o.Label}: of its windows of 2 MiB in all processes, {d.Windows2MiB} have a 2 MiB leaf, {d.Windows4KiB} have 4 KiB leaves, {d.WindowsUnused} have no entry");
            foreach (var (reason, windows) in d.Reasons)
            {
                Line($"  4 KiB in {Number(windows, "window")}: {reason}");
            }

            Line($"  {d.Detail}");
            Line();
        }
    }

    private void WriteCures()
    {
        var objects = report.Objects.Where(o => o.Cures.Any(c => c.SavedBytes >= WorthShowing)).Take(top).ToList();
        if (objects.Count == 0)
        {
            Line(report.Machine.ProcessesRead == 0 ? "What would help: not known, since no process was read to the page." : $"What would help: no cure saves {Size(WorthShowing)} for any one object.");
            Line();
            return;
        }

        Line(report.At is { } at
            ? $"What would help (tables with entries after the cure, and what it saves; then at {at} processes: now -> after)"
            : "What would help (tables with entries after the cure, and what it saves)");
        foreach (var o in objects)
        {
            Line($"  {o.Label}: {Size(o.Live.Total)} now, {Number(o.Processes, "process", "processes")}");
            foreach (var c in o.Cures.Where(c => c.WhyNot is null))
            {
                Line($"    {c.Name,-44} {Size(c.BytesAfter),9} (saves {Size(c.SavedBytes)}{Memory(o, c)}){(c.Available ? "" : ", not on this kernel")}{(c.AtBytesNow is null ? "" : $"; {Size(c.AtBytesNow)} -> {Size(c.AtBytesAfter)}")}");
            }

            // That a file is not a DAX file need not be said of each.
            foreach (var why in o.Cures.Where(c => c.WhyNot is not null && (c.Id is not ("dax-2m" or "dax-pmd-shared") || o.Dax is not null)).GroupBy(c => c.WhyNot))
            {
                Line($"    not for it: {string.Join(", ", why.Select(c => c.Name))} ({why.Key})");
            }
        }

        Line();
    }

    /// <summary>What a cure takes of memory beyond what the object has now.</summary>
    private static string Memory(ObjectReport o, Cure cure) => cure.MemoryBytes is { } all && o.ResidentBytes is { } now && all - now >= WorthShowing ? $", takes {Size(all)} of memory for {Size(now)} now" : "";

    private void WriteProcesses()
    {
        var table = new TextTable(("process", 0), ("pid", 0), ("user", 3), ("VmPTE", 0), ("with entries", 1), ("duplicate", 0), ("empty", 0), ("KVM", 5), ("fork", 5), ("most for", 2), ("belongs to", 6), ("read", 4));
        foreach (var p in report.Processes.Take(top))
        {
            table.Add(
                p.Name, Count(p.Pid), Count(p.User), Size(p.TableBytes), Size(p.Live), Size(p.Duplicate), Size(p.Empty), Size(p.SecondaryTableBytes), Milliseconds(p.ForkMilliseconds),
                p.Objects.Count == 0 ? "-" : $"{TextTable.Shortened(Label(p.Objects[0]))} {Size(p.Objects[0].Bytes)}", p.BelongsTo.Length == 0 ? "-" : TextTable.Shortened(p.BelongsTo), p.IsRead ? "yes" : p.StuckState is not null ? "stuck" : "like another");
        }

        Write(table, report.Processes.Count);
        if (report.Machine.Fork is { } fork)
        {
            Line(string.Create(CultureInfo.InvariantCulture, $"  fork: what copying its private tables takes, at {fork.NanosecondsPerTable / 1000:0.0} us a table and {fork.NanosecondsPerPage:0.0} ns a page, as measured here"));
            Line();
        }
    }

    private static string Milliseconds(double? time) => time is { } known ? string.Create(CultureInfo.InvariantCulture, $"{known:0.0} ms") : "-";

    /// <summary>Virtual machines: the host's tables for a guest's memory, and KVM's own.</summary>
    private void WriteMachines(bool isAsked)
    {
        if (report.VirtualMachines.Count == 0)
        {
            if (isAsked)
            {
                Line("No process runs a virtual machine on KVM.");
                Line();
            }

            return;
        }

        var table = new TextTable(("virtual machine", 0), ("pid", 2), ("vCPUs", 4), ("guest memory", 1), ("VmPTE", 0), ("KVM's tables", 0), ("rule of thumb: memory/512", 3));
        foreach (var v in report.VirtualMachines.Take(top))
        {
            table.Add(v.Name, Count(v.Pid), Count(v.Processors), Size(v.GuestBytes), Size(v.TableBytes), Size(v.SecondaryTableBytes), Size(v.RuleBytes));
        }

        Write(table, report.VirtualMachines.Count);
        foreach (var source in report.VirtualMachines.Take(top).GroupBy(v => v.Source))
        {
            Line($"  KVM's tables of {Number(source.Count(), "machine")}: {source.Key}");
        }

        Line();
    }

    private string Label(ProcessShare share) => report.Objects.FirstOrDefault(o => o.Number == share.ObjectNumber)?.Label ?? share.Name;

    private void WriteCgroups()
    {
        var table = new TextTable(("cgroup and those below it", 0), ("what", 1), ("processes", 3), ("sum of VmPTE", 0), ("in it alone", 5), ("with entries", 4), ("duplicate", 0), ("empty", 0), ("charged", 1), ("KVM", 2), ("by node", 2));
        foreach (var g in report.Cgroups.Take(top))
        {
            table.Add(
                g.Path, TextTable.Shortened(g.Label), Count(g.TreeProcesses), Size(g.TreeTableBytes), Size(g.TableBytes), Size(g.TreeLive), Size(g.TreeDuplicate), Size(g.TreeEmpty), Size(g.ChargedBytes), Size(g.SecondaryTableBytes), Nodes(g.Nodes));
        }

        Write(table, report.Cgroups.Count);
        foreach (var why in report.Cgroups.Take(top).Where(g => g.WhyNotCharged is not null).GroupBy(g => g.WhyNotCharged))
        {
            Line($"  charged is not told for {Number(why.Count(), "cgroup")}: {why.Key}");
        }

        Line();
    }

    private static string Nodes(IReadOnlyList<NodeTables>? nodes) => nodes is null ? "-" : string.Join(" ", nodes.Select(n => $"N{n.Node}={Size(n.TableBytes)}"));

    private void WriteAdvice()
    {
        foreach (var advice in report.Advice.Take(top))
        {
            Line($"Advice: {advice.Title}{(advice.SavedBytes is { } saved ? $", saves {Size(saved)} of page tables" : "")}");
            foreach (var line in advice.Lines)
            {
                Line($"    {line}");
            }

            Line($"  Cost: {advice.Cost}");
            Line();
        }
    }
}
