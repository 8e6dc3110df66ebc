using System.Text;
using Pando.Linux.Text;
using Spectre.Console;

namespace Pando.Cli.Views;

/// <summary>
/// A plain table whose first column is a name and whose others are figures. On a terminal that is too narrow, the name
/// is shortened first, then the columns that matter least are left out and named below: what is left stays readable.
/// </summary>
/// <param name="columns">Headings; <c>Rank</c> 0 stays always, the highest goes first.</param>
internal sealed class TextTable(params (string Heading, int Rank)[] columns)
{
    private const int ShortestName = 20;
    private const int LongestName = 60;
    private readonly List<string[]> _rows = [];

    /// <summary>A name in a column that is not the first, at the length that a table can bear.</summary>
    public static string Shortened(string name) => Short(Printable.Text(name), LongestName);

    /// <summary>Adds a row of as many cells as there are columns.</summary>
    public void Add(params string[] cells) => _rows.Add(Array.ConvertAll(cells, Printable.Text));

    /// <summary>Writes the table; <paramref name="width"/> is the terminal's, null where there is none.</summary>
    public void Write(TextWriter output, int? width)
    {
        var lines = new LineWriter(output);
        var widths = columns.Select((c, i) => _rows.Select(r => Width(r[i])).Append(Width(c.Heading)).Max()).ToArray();
        widths[0] = Math.Min(widths[0], LongestName);
        var shown = Enumerable.Range(0, columns.Length).ToList();
        int Figures() => shown.Skip(1).Sum(i => widths[i] + 2);
        while (width is { } narrow && Figures() + Math.Min(widths[0], ShortestName) > narrow && shown.Skip(1).MaxBy(i => columns[i].Rank) is var last && columns[last].Rank > 0)
        {
            shown.Remove(last);
        }

        if (width is { } all)
        {
            widths[0] = Math.Clamp(all - Figures(), Math.Min(widths[0], ShortestName), widths[0]);
        }

        void Line(Func<int, string> cell) => lines.Line(string.Concat(shown.Select(i => i == 0 ? Padded(Short(cell(0), widths[0]), widths[0]) : "  " + Blanks(widths[i] - Width(cell(i))) + cell(i))).TrimEnd());
        Line(i => columns[i].Heading);
        lines.Line(new string('─', widths[0] + Figures()));
        foreach (var row in _rows)
        {
            Line(i => row[i]);
        }

        var hidden = Enumerable.Range(0, columns.Length).Except(shown).Select(i => columns[i].Heading).ToList();
        if (hidden.Count > 0)
        {
            lines.Line($"  a wider terminal shows: {string.Join(", ", hidden)}");
        }
    }

    /// <summary>The end of a path tells more than its beginning.</summary>
    private static string Short(string name, int width)
    {
        if (Width(name) <= width)
        {
            return name;
        }

        // From the end, by whole characters: they may be two columns wide, or of two parts.
        var left = width - 1;
        var start = name.Length;
        while (start > 0)
        {
            var length = start > 1 && char.IsSurrogatePair(name[start - 2], name[start - 1]) ? 2 : 1;
            left -= Width(name.Substring(start - length, length));
            if (left < 0)
            {
                break;
            }

            start -= length;
        }

        return "…" + name[start..];
    }

    private static string Padded(string text, int width) => text + Blanks(width - Width(text));

    private static string Blanks(int count) => new(' ', Math.Max(0, count));

    /// <summary>Columns of a terminal that the text takes.</summary>
    private static int Width(string text) => Ascii.IsValid(text) ? text.Length : text.GetCellWidth();
}
