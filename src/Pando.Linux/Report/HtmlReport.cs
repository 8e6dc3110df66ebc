using System.Globalization;
using System.Net;
using System.Text;
using Pando.Linux.Text;

namespace Pando.Linux.Report;

/// <summary>
/// Renders a scan as one self-contained HTML page: inline style and SVG, no script, nothing fetched. Pictures first:
/// where the page tables go, waste by object, before and after each cure, who has which tables.
/// </summary>
public static class HtmlReport
{
    private const int Width = 960;
    private const int MostObjects = 10;
    private const int MostCured = 5;
    private const int MostRows = 24;
    private const long WorthShowing = 1L << 20;

    // Colours have a value for light pages and one for dark ones.
    private const string Needed = "var(--needed)";
    private const string Duplicate = "var(--duplicate)";
    private const string Empty = "var(--empty)";
    private const string Other = "var(--other)";
    private const string NoKernel = "var(--no-kernel)";
    private const string Nothing = "var(--nothing)";

    private const string Style = """
        :root{color-scheme:light dark;--text:#1d2733;--dim:#5a6675;--page:#fff;--line:#e3e8ee;--box:#f4f6f8;--needed:#2f7d57;--duplicate:#d9822b;--empty:#a9b8c3;--other:#7c88a0;--no-kernel:#6d8fb3;--nothing:#eef1f4}
        @media(prefers-color-scheme:dark){:root{--text:#dfe6ee;--dim:#9aa7b6;--page:#14191f;--line:#2b343e;--box:#1d242c;--needed:#4fae80;--duplicate:#e39a4b;--empty:#5f6f7c;--other:#7c88a0;--no-kernel:#7da3cb;--nothing:#232b34}}
        body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--page);max-width:1000px;margin:2em auto;padding:0 1em}
        h1{font-size:1.6em;margin-bottom:.2em}h2{font-size:1.15em;margin:2em 0 .4em}
        svg{display:block;max-width:100%;height:auto}svg text{font:13px system-ui,sans-serif;fill:var(--text)}svg .dim{fill:var(--dim)}svg .small{font-size:11px}
        .wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9em}td,th{padding:.25em .6em;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:top}
        td:first-child,th:first-child,td.why,th.why{text-align:left;white-space:normal;overflow-wrap:anywhere}
        pre{background:var(--box);padding:.7em;overflow:auto}.key span{display:inline-block;margin-right:1.2em}.key i{display:inline-block;width:.8em;height:.8em;margin-right:.4em}.dim{color:var(--dim)}p.dim{margin:.2em 0}

        """;

    /// <summary>The whole page.</summary>
    public static string Render(ScanReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var page = new StringBuilder();
        page.Append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Page tables of this machine</title>\n<style>\n")
            .Append(Style)
            .Append("</style></head><body>\n");
        WriteHead(page, report);
        WriteMachine(page, report.Machine);
        WriteObjects(page, report);
        WriteCures(page, report);
        WriteAdvice(page, report);
        WriteCells(page, report);
        WriteDax(page, report);
        WriteVirtualMachines(page, report);
        WriteTable(page, report);
        WriteOutsiders(page, report);
        WriteKernel(page, report);
        return page.Append("</body></html>\n").ToString();
    }

    /// <summary>Markup and what a browser would act on or not show (line breaks of settings apart: see WriteAdvice).</summary>
    private static string Text(string text) => WebUtility.HtmlEncode(Printable.Text(text));

    private static string Size(long bytes) => ByteText.Size(bytes);

    private static void Append(StringBuilder page, FormattableString text) => page.Append(text.ToString(CultureInfo.InvariantCulture));

    private static string Plural(long number, string one, string many) => string.Create(CultureInfo.InvariantCulture, $"{number} {(number == 1 ? one : many)}");

    private static void WriteHead(StringBuilder page, ScanReport report)
    {
        var m = report.Machine;
        var part = m.MemoryBytes == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", {m.PageTablePercent:0.0}% of {Size(m.MemoryBytes)} RAM");
        Append(page, $"<h1>Page tables: {Size(m.PageTableBytes)}{part}</h1>\n");
        Append(page, $"<p class=\"dim\">Linux {Text(m.KernelRelease)}, {report.TakenAt:yyyy-MM-dd HH:mm} UTC; {Plural(m.Processes, "process", "processes")}, {m.ProcessesRead} read to the page; {(report.TotalSeconds is { } total ? FormattableString.Invariant($"{total:0.00} s, {report.ScanSeconds:0.00} s of it reading") : FormattableString.Invariant($"read in {report.ScanSeconds:0.00} s"))}{(report.Exact ? "" : $"; split over objects exact to &plusmn;{Size(m.ErrorBytes)} with {m.Confidence * 100:0}% confidence")}</p>\n");
    }

    private static void WriteKernel(StringBuilder page, ScanReport report)
    {
        page.Append("<h2>This kernel</h2>\n<table>");
        foreach (var support in report.Machine.Support)
        {
            Append(page, $"<tr><td>{Text(support.Name)}</td><td class=\"why\">{Text(support.State)}</td><td class=\"why dim\">{Text(support.Detail)}</td></tr>\n");
        }

        page.Append("</table>\n");
        foreach (var note in report.Notes)
        {
            page.Append("<p class=\"dim\">Note: ").Append(Text(note)).Append("</p>\n");
        }
    }

    private static void Key(StringBuilder page, params (string Colour, string Name)[] entries)
    {
        page.Append("<p class=\"key\">");
        foreach (var (colour, name) in entries)
        {
            page.Append("<span><i style=\"background:").Append(colour).Append("\"></i>").Append(name).Append("</span>");
        }

        page.Append("</p>\n");
    }

    private static void Bar(StringBuilder page, double x, double y, double width, double height, string colour, string title)
    {
        if (width > 0)
        {
            Append(page, $"<rect x=\"{x:0.##}\" y=\"{y:0.##}\" width=\"{width:0.##}\" height=\"{height:0.##}\" style=\"fill:{colour}\"><title>{Text(title)}</title></rect>\n");
        }
    }

    private static void Label(StringBuilder page, double x, double y, string text, string extra = "") =>
        Append(page, $"<text x=\"{x:0.##}\" y=\"{y:0.##}\"{extra}>{Text(text)}</text>\n");

    private static void WriteMachine(StringBuilder page, MachineReport m)
    {
        page.Append("<h2>Where they go</h2>\n");
        var parts = new (long Bytes, string Colour, string Name)[]
        {
            (m.NeededOnce, Needed, "needed once"), (m.Duplicate, Duplicate, "duplicate"), (m.Empty, Empty, "empty"),
            (Math.Max(0, m.RootBytes + m.OtherBytes + m.Unplaced), Other, "roots, kernel's own, not placed"),
        };
        Key(page, [.. parts.Select(p => (p.Colour, $"{p.Name} {Size(p.Bytes)}"))]);
        var all = Math.Max(1, parts.Sum(p => p.Bytes));
        Append(page, $"<svg viewBox=\"0 0 {Width} 44\" role=\"img\" aria-label=\"Page tables by use\">\n");
        double x = 0;
        foreach (var (bytes, colour, name) in parts)
        {
            var width = (double)bytes / all * Width;
            Bar(page, x, 2, width, 40, colour, $"{name}: {Size(bytes)}");
            x += width;
        }

        page.Append("</svg>\n");
        WriteLine(page, m);
    }

    /// <summary>Page tables against the line above which they are worth a look.</summary>
    private static void WriteLine(StringBuilder page, MachineReport m)
    {
        var most = Math.Max(m.OrdinaryPercent, m.WarningPercent) * 1.25;
        var at = m.WarningPercent / most * Width;
        Append(page, $"<p class=\"dim\">{m.OrdinaryPercent:0.00}% of the memory that is not in huge page pools; the line is at {m.WarningPercent:0.#}%.</p>\n<svg viewBox=\"0 0 {Width} 20\" role=\"img\" aria-label=\"Page tables against the line\">\n");
        Bar(page, 0, 4, Math.Max(1, m.OrdinaryPercent / most * Width), 12, m.OrdinaryPercent >= m.WarningPercent ? Duplicate : Needed, string.Create(CultureInfo.InvariantCulture, $"page tables: {m.OrdinaryPercent:0.00}%"));
        Bar(page, at, 0, 2, 20, Other, string.Create(CultureInfo.InvariantCulture, $"{m.WarningPercent:0.#}%"));
        page.Append("</svg>\n");
    }

    private static void WriteObjects(StringBuilder page, ScanReport report)
    {
        // Below a hundredth of the largest a bar is not seen.
        var most = Math.Max(1, report.Objects.Select(o => o.TableBytes).DefaultIfEmpty().Max());
        var objects = report.Objects.Where(o => o.TableBytes > most / 100).Take(MostObjects).ToList();
        if (objects.Count == 0)
        {
            return;
        }

        page.Append("<h2>Waste by object</h2>\n");
        Key(page, (Needed, "needed once"), (Duplicate, "duplicate"), (Empty, "empty"));
        Append(page, $"<svg viewBox=\"0 0 {Width} {objects.Count * 44}\" role=\"img\" aria-label=\"Waste by object\">\n");
        for (var i = 0; i < objects.Count; i++)
        {
            var o = objects[i];
            var y = i * 44;
            var parts = new[] { (o.NeededOnce, Needed, "needed once"), (o.Duplicate, Duplicate, "duplicate"), (o.Empty, Empty, "empty") };
            var waste = string.Concat(parts.Skip(1).Where(p => p.Item1 > 0).Select(p => $", {Size(p.Item1)} {p.Item3}"));
            Label(page, 0, y + 14, $"{Short(o.Label, 70)}  ({Plural(o.Processes, "process", "processes")}, {Size(o.MappedBytes)} mapped): {Size(o.TableBytes)}{waste}");
            double x = 0;
            foreach (var (bytes, colour, name) in parts)
            {
                var width = (double)bytes / most * Width;
                Bar(page, x, y + 20, width, 16, colour, $"{name}: {Size(bytes)}");
                x += width;
            }
        }

        page.Append("</svg>\n");
    }

    private static string Short(string name, int longest) => name.Length <= longest ? name : "…" + name[^(longest - 1)..];

    private static void WriteCures(StringBuilder page, ScanReport report)
    {
        var objects = report.Objects.Where(o => o.Cures.Any(c => c.SavedBytes >= WorthShowing)).Take(MostCured).ToList();
        if (objects.Count == 0)
        {
            return;
        }

        page.Append("<h2>Before and after each cure</h2>\n");
        Key(page, (Duplicate, "now"), (Needed, "after, on this kernel"), (NoKernel, "after, on no kernel yet"));
        foreach (var o in objects)
        {
            var cures = o.Cures.Where(c => c.BytesAfter is not null).ToList();
            var height = (cures.Count + 1) * 24;
            var most = Math.Max(1, o.Live.Total);
            Append(page, $"<p><b>{Text(o.Label)}</b>, {Plural(o.Processes, "process", "processes")}</p>\n<svg viewBox=\"0 0 {Width} {height}\" role=\"img\" aria-label=\"Cures\">\n");
            Row(page, 0, "now", o.Live.Total, most, Duplicate, Size(o.Live.Total));
            for (var i = 0; i < cures.Count; i++)
            {
                var c = cures[i];
                var at = c.AtBytesNow is { } now && c.AtBytesAfter is { } after ? string.Create(CultureInfo.InvariantCulture, $"; at {report.At}: {Size(now)} to {Size(after)}") : "";
                Row(page, (i + 1) * 24, c.Name, c.BytesAfter!.Value, most, c.Available ? Needed : NoKernel, $"{Size(c.BytesAfter!.Value)}, saves {Size(c.SavedBytes!.Value)}{at}");
            }

            page.Append("</svg>\n");
        }
    }

    private static void Row(StringBuilder page, double y, string name, long bytes, long most, string colour, string text)
    {
        const double Left = 290;
        const double Bars = 330;
        Label(page, 0, y + 16, name);
        Bar(page, Left, y + 4, Math.Max(1.5, (double)bytes / most * Bars), 16, colour, $"{name}: {text}");
        Label(page, Left + Math.Max(1.5, (double)bytes / most * Bars) + 8, y + 16, text, " class=\"dim\"");
    }

    /// <summary>Objects of one GiB that are not shared have nothing to show; processes with the same row are one row.</summary>
    private static void WriteCells(StringBuilder page, ScanReport report)
    {
        var objects = report.Objects.ToDictionary(o => o.Number);
        var pictures = report.Cells
            .Where(c => c.Cells > 0 && c.Pids.Count > 1 && (c.Cells > 1 || objects[c.ObjectNumber].Sharing is not null) && objects[c.ObjectNumber] is { } o && (o.Sharing is not null || o.TableBytes >= WorthShowing))
            .Take(MostCured).ToList();
        if (pictures.Count == 0)
        {
            return;
        }

        page.Append("<h2>Who has tables for what</h2>\n<p class=\"dim\">A row is a process, or several alike; a column is 1 GiB of the object.</p>\n");
        Key(page, (Needed, "shares a PMD table"), (Duplicate, "tables of its own"), (Nothing, "none"));
        foreach (var picture in pictures)
        {
            const int Left = 240;
            const int RowHeight = 18;
            var rows = picture.Tables.Select((cells, i) => (Pid: picture.Pids[i], Cells: cells))
                .GroupBy(r => string.Concat(r.Cells)).Select(g => (Pids: g.Select(r => r.Pid).ToList(), g.First().Cells))
                .OrderByDescending(r => r.Pids.Count).Take(MostRows).ToList();
            var o = objects[picture.ObjectNumber];
            var cell = Math.Clamp((double)(Width - Left) / picture.Cells, 6, 40);
            var gib = (o.MappedBytes + (1L << 30) - 1) >> 30;
            Append(page, $"<p><b>{Text(o.Label)}</b>: {(picture.Pids.Count == picture.Processes ? "" : $"{picture.Pids.Count} of ")}{Plural(picture.Processes, "process", "processes")}{(gib > picture.Cells ? $", the first {picture.Cells} of {gib} GiB" : "")}</p>\n");
            Append(page, $"<svg viewBox=\"0 0 {Width} {(rows.Count * RowHeight) + 18}\" role=\"img\" aria-label=\"Processes by GiB\">\n");
            for (var c = 0; c < picture.Cells; c += Math.Max(1, (int)Math.Ceiling(32 / cell)))
            {
                Label(page, Left + (c * cell), 11, $"{c}", " class=\"dim small\"");
            }

            for (var r = 0; r < rows.Count; r++)
            {
                var (pids, cells) = rows[r];
                var y = 16 + (r * RowHeight);
                Label(page, 0, y + 13, pids.Count == 1 ? $"{pids[0]}" : $"{pids[0]} and {pids.Count - 1} more like it", " class=\"dim\"");
                for (var c = 0; c < picture.Cells; c++)
                {
                    var (colour, what) = cells[c] switch { 2 => (Needed, "shared"), 1 => (Duplicate, "its own"), _ => (Nothing, "none") };
                    Bar(page, Left + (c * cell), y, cell - 1, RowHeight - 2, colour, $"GiB {c}: {what}");
                }
            }

            page.Append("</svg>\n");
        }
    }

    private static void WriteDax(StringBuilder page, ScanReport report)
    {
        var files = report.Objects.Where(o => o.Dax is not null).Take(40).ToList();
        if (files.Count == 0)
        {
            return;
        }

        page.Append("<h2>DAX files: leaves of 2 MiB or of 4 KiB</h2>\n<p class=\"dim\">Windows of 2 MiB, over all processes.</p>\n");
        Key(page, (Needed, "2 MiB leaf"), (Duplicate, "4 KiB leaves"), (Nothing, "no entry"));
        page.Append("<div class=\"wide\"><table><tr><th>file</th><th></th><th>2 MiB</th><th>4 KiB</th><th>none</th><th class=\"why\">why 4 KiB</th></tr>\n");
        foreach (var o in files)
        {
            var d = o.Dax!;
            var all = Math.Max(1, d.Windows2MiB + d.Windows4KiB + d.WindowsUnused);
            Append(page, $"<tr><td>{Text(o.Label)}</td><td><svg width=\"160\" height=\"14\" role=\"img\" aria-label=\"Windows\">");
            double x = 0;
            foreach (var (windows, colour, name) in new[] { (d.Windows2MiB, Needed, "2 MiB leaf"), (d.Windows4KiB, Duplicate, "4 KiB leaves"), (d.WindowsUnused, Nothing, "no entry") })
            {
                Bar(page, x, 1, 160.0 * windows / all, 12, colour, $"{name}: {windows}");
                x += 160.0 * windows / all;
            }

            Append(page, $"</svg></td><td>{d.Windows2MiB}</td><td>{d.Windows4KiB}</td><td>{d.WindowsUnused}</td><td class=\"why\">{Text(string.Join(", ", d.Reasons.Select(r => $"{r.Key} {r.Value}")))}</td></tr>\n");
        }

        page.Append("</table></div>\n");
    }

    private static void WriteVirtualMachines(StringBuilder page, ScanReport report)
    {
        if (report.VirtualMachines.Count == 0)
        {
            return;
        }

        page.Append("<h2>Virtual machines</h2>\n<div class=\"wide\"><table><tr><th>guest</th><th>pid</th><th>vCPUs</th><th>memory</th><th>VmPTE</th><th>KVM's tables</th><th>memory/512</th><th class=\"why\">KVM's tables are told by</th></tr>\n");
        foreach (var v in report.VirtualMachines.Take(40))
        {
            Append(page, $"<tr><td>{Text(v.Name)}</td><td>{v.Pid}</td><td>{v.Processors}</td><td>{Size(v.GuestBytes)}</td><td>{Size(v.TableBytes)}</td><td>{(v.SecondaryTableBytes is { } bytes ? Size(bytes) : "-")}</td><td>{Size(v.RuleBytes)}</td><td class=\"why dim\">{Text(v.Source)}</td></tr>\n");
        }

        page.Append("</table></div>\n");
    }

    private static void WriteTable(StringBuilder page, ScanReport report)
    {
        page.Append("<h2>Objects</h2>\n<div class=\"wide\"><table><tr><th>object</th><th>processes</th><th>mapped</th><th>resident</th><th>touched</th><th>pages</th><th>tables</th><th>needed once</th><th>duplicate</th><th>empty</th></tr>\n");
        foreach (var o in report.Objects.Take(40))
        {
            Append(page, $"<tr><td>{Text(o.Label)}</td><td>{o.Processes}</td><td>{Size(o.MappedBytes)}</td><td>{(o.ResidentBytes is { } resident ? Size(resident) : "-")}</td><td>{Size(o.TouchedBytes)}</td><td>{string.Join(" + ", o.PageSizes.Keys)}</td><td>{Size(o.TableBytes)}</td><td>{Size(o.NeededOnce)}</td><td>{Size(o.Duplicate)}</td><td>{Size(o.Empty)}</td></tr>\n");
        }

        page.Append("</table></div>\n");
    }

    private static void WriteOutsiders(StringBuilder page, ScanReport report)
    {
        foreach (var o in report.Objects.Where(o => o.Sharing is { Outsiders.Count: > 0 } && o.Processes > 1).Take(MostCured))
        {
            Append(page, $"<h2>Outside the sharing of {Text(o.Label)}</h2>\n<table><tr><th>process</th><th>own tables</th><th class=\"why\">why</th></tr>\n");
            foreach (var outsider in o.Sharing!.Outsiders.Take(40))
            {
                Append(page, $"<tr><td>{outsider.Pid} {Text(outsider.Name)}</td><td>{outsider.OwnTables}{(outsider.ApartTables > 0 ? $", and {outsider.ApartTables} that fewer share than could" : "")}</td><td class=\"why\">{string.Join("<br/>", outsider.Reasons.Select(r => Text($"{r.Reason}: {r.Detail}")))}</td></tr>\n");
            }

            page.Append("</table>\n");
        }
    }

    private static void WriteAdvice(StringBuilder page, ScanReport report)
    {
        if (report.Advice.Count == 0)
        {
            return;
        }

        page.Append("<h2>What to do</h2>\n");
        foreach (var advice in report.Advice)
        {
            Append(page, $"<p><b>{Text(advice.Title)}</b>{(advice.SavedBytes is { } saved ? $": saves {Size(saved)}" : "")}</p>\n<pre>{string.Join('\n', advice.Lines.Select(Text))}</pre>\n<p class=\"dim\">Cost: {Text(advice.Cost)}</p>\n");
        }
    }
}
