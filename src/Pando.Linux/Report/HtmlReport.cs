using System.Globalization;
using System.Net;
using System.Text;

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
    private const string Needed = "#2f6f4f";
    private const string Duplicate = "#d9822b";
    private const string Empty = "#b8c4cc";
    private const string Other = "#8a94a6";

    /// <summary>The whole page.</summary>
    public static string Render(ScanReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var page = new StringBuilder();
        page.Append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Page tables of this machine</title>\n<style>\n")
            .Append("body{font:15px/1.5 system-ui,sans-serif;color:#1d2733;background:#fff;max-width:1000px;margin:2em auto;padding:0 1em}h1{font-size:1.6em;margin-bottom:.2em}h2{font-size:1.15em;margin:2em 0 .4em}")
            .Append("svg{display:block;max-width:100%;height:auto}svg text{font:13px system-ui,sans-serif;fill:#1d2733}svg .dim{fill:#5a6675}table{border-collapse:collapse;width:100%;font-size:.9em}td,th{padding:.25em .6em;text-align:right;border-bottom:1px solid #e3e8ee}td:first-child,th:first-child{text-align:left;word-break:break-all}")
            .Append("pre{background:#f4f6f8;padding:.7em;overflow:auto}.key span{display:inline-block;margin-right:1.2em}.key i{display:inline-block;width:.8em;height:.8em;margin-right:.4em}p.dim{color:#5a6675;margin:.2em 0}\n</style></head><body>\n");
        WriteHead(page, report);
        WriteMachine(page, report.Machine);
        WriteObjects(page, report);
        WriteCures(page, report);
        WriteCells(page, report);
        WriteTable(page, report);
        WriteAdvice(page, report);
        return page.Append("</body></html>\n").ToString();
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);

    private static string Size(long bytes) => ByteText.Size(bytes);

    private static void Append(StringBuilder page, FormattableString text) => page.Append(text.ToString(CultureInfo.InvariantCulture));

    private static void WriteHead(StringBuilder page, ScanReport report)
    {
        var m = report.Machine;
        Append(page, $"<h1>Page tables: {Size(m.PageTableBytes)}, {m.PageTablePercent:0.0}% of {Size(m.MemoryBytes)} RAM</h1>\n");
        Append(page, $"<p class=\"dim\">Linux {Text(m.KernelRelease)}, {report.TakenAt:yyyy-MM-dd HH:mm} UTC; {m.Processes} processes, {m.ProcessesRead} read to the page in {report.ScanSeconds:0.00} s; split over objects exact to &plusmn;{Size(m.ErrorBytes)}</p>\n");
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
            Append(page, $"<rect x=\"{x:0.##}\" y=\"{y:0.##}\" width=\"{width:0.##}\" height=\"{height:0.##}\" fill=\"{colour}\"><title>{Text(title)}</title></rect>\n");
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
    }

    private static void WriteObjects(StringBuilder page, ScanReport report)
    {
        var objects = report.Objects.Where(o => o.TableBytes > 0).Take(MostObjects).ToList();
        if (objects.Count == 0)
        {
            return;
        }

        page.Append("<h2>Waste by object</h2>\n");
        Key(page, (Needed, "needed once"), (Duplicate, "duplicate"), (Empty, "empty"));
        var most = Math.Max(1, objects.Max(o => o.TableBytes));
        Append(page, $"<svg viewBox=\"0 0 {Width} {objects.Count * 44}\" role=\"img\" aria-label=\"Waste by object\">\n");
        for (var i = 0; i < objects.Count; i++)
        {
            var o = objects[i];
            var y = i * 44;
            Label(page, 0, y + 14, $"{o.Name}  ({o.Processes} processes, {Size(o.MappedBytes)} mapped): {Size(o.TableBytes)}");
            double x = 0;
            foreach (var (bytes, colour, name) in new[] { (o.NeededOnce, Needed, "needed once"), (o.Duplicate, Duplicate, "duplicate"), (o.Empty, Empty, "empty") })
            {
                var width = (double)bytes / most * Width;
                Bar(page, x, y + 20, width, 16, colour, $"{name}: {Size(bytes)}");
                x += width;
            }
        }

        page.Append("</svg>\n");
    }

    private static void WriteCures(StringBuilder page, ScanReport report)
    {
        var objects = report.Objects.Where(o => o.Cures.Any(c => c.SavedBytes > 0)).Take(MostCured).ToList();
        if (objects.Count == 0)
        {
            return;
        }

        page.Append("<h2>Before and after each cure</h2>\n");
        Key(page, (Duplicate, "now"), (Needed, "after, on this kernel"), ("#6d8fb3", "after, on no kernel yet"));
        foreach (var o in objects)
        {
            var cures = o.Cures.Where(c => c.BytesAfter is not null).ToList();
            var height = (cures.Count + 1) * 24;
            var most = Math.Max(1, o.Live.Total);
            Append(page, $"<p><b>{Text(o.Name)}</b>, {o.Processes} processes</p>\n<svg viewBox=\"0 0 {Width} {height}\" role=\"img\" aria-label=\"Cures\">\n");
            Row(page, 0, "now", o.Live.Total, most, Duplicate, Size(o.Live.Total));
            for (var i = 0; i < cures.Count; i++)
            {
                var c = cures[i];
                var at = c.AtBytesNow is { } now && c.AtBytesAfter is { } after ? string.Create(CultureInfo.InvariantCulture, $"; at {report.At}: {Size(now)} to {Size(after)}") : "";
                Row(page, (i + 1) * 24, c.Name, c.BytesAfter!.Value, most, c.Available ? Needed : "#6d8fb3", $"{Size(c.BytesAfter!.Value)}, saves {Size(c.SavedBytes!.Value)}{at}");
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

    private static void WriteCells(StringBuilder page, ScanReport report)
    {
        var pictures = report.Cells.Where(c => c.Cells > 0 && c.Pids.Count > 1).Take(MostCured).ToList();
        if (pictures.Count == 0)
        {
            return;
        }

        page.Append("<h2>Who has tables for what</h2>\n<p class=\"dim\">A row is a process, a column 1 GiB of the object.</p>\n");
        Key(page, (Needed, "shares a PMD table"), (Duplicate, "tables of its own"), ("#eef1f4", "none"));
        foreach (var picture in pictures)
        {
            var name = report.Objects.First(o => o.Number == picture.ObjectNumber).Name;
            var cell = Math.Clamp(820.0 / picture.Cells, 6, 26);
            var row = picture.Pids.Count > 24 ? 8 : 14;
            var height = (picture.Pids.Count * row) + 4;
            Append(page, $"<p><b>{Text(name)}</b>: {picture.Pids.Count} of {picture.Processes} processes</p>\n<svg viewBox=\"0 0 {Width} {height}\" role=\"img\" aria-label=\"Processes by GiB\">\n");
            for (var r = 0; r < picture.Pids.Count; r++)
            {
                if (row > 10 || r % 4 == 0)
                {
                    Label(page, 0, (r * row) + 11, picture.Pids[r].ToString(CultureInfo.InvariantCulture), " class=\"dim\" style=\"font-size:11px\"");
                }

                for (var c = 0; c < picture.Cells; c++)
                {
                    var state = picture.Tables[r][c];
                    Bar(page, 70 + (c * cell), r * row, cell - 1, row - 1, state switch { 2 => Needed, 1 => Duplicate, _ => "#eef1f4" },
                        $"process {picture.Pids[r]}, GiB {c}: {state switch { 2 => "shared", 1 => "its own", _ => "none" }}");
                }
            }

            page.Append("</svg>\n");
        }
    }

    private static void WriteTable(StringBuilder page, ScanReport report)
    {
        page.Append("<h2>Objects</h2>\n<table><tr><th>object</th><th>processes</th><th>mapped</th><th>pages</th><th>tables</th><th>needed once</th><th>duplicate</th><th>empty</th></tr>\n");
        foreach (var o in report.Objects.Take(40))
        {
            Append(page, $"<tr><td>{Text(o.Name)}</td><td>{o.Processes}</td><td>{Size(o.MappedBytes)}</td><td>{string.Join(" + ", o.PageSizes.Keys)}</td><td>{Size(o.TableBytes)}</td><td>{Size(o.NeededOnce)}</td><td>{Size(o.Duplicate)}</td><td>{Size(o.Empty)}</td></tr>\n");
        }

        page.Append("</table>\n");
        foreach (var o in report.Objects.Where(o => o.Sharing is { Outsiders.Count: > 0 } && o.Processes > 1).Take(MostCured))
        {
            Append(page, $"<h2>Outside the sharing of {Text(o.Name)}</h2>\n<table><tr><th>process</th><th>own tables</th><th>why</th></tr>\n");
            foreach (var outsider in o.Sharing!.Outsiders.Take(40))
            {
                Append(page, $"<tr><td>{outsider.Pid} {Text(outsider.Name)}</td><td>{outsider.OwnTables}</td><td style=\"text-align:left\">{Text(string.Join("; ", outsider.Reasons.Select(r => $"{r.Reason}: {r.Detail}")))}</td></tr>\n");
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
            Append(page, $"<p><b>{Text(advice.Title)}</b>{(advice.SavedBytes is { } saved ? $": saves {Size(saved)}" : "")}</p>\n<pre>{Text(string.Join('\n', advice.Lines))}</pre>\n<p class=\"dim\">Cost: {Text(advice.Cost)}</p>\n");
        }
    }
}
