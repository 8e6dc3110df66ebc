using System.Globalization;
using Pando.Cli.FileMaps;
using Pando.Files;
using Pando.Linux.Text;

namespace Pando.Cli.Views;

/// <summary>Writes what pando files found, for people.</summary>
internal static class FilesView
{
    private const int MostReasons = 3;

    public static void Write(TextWriter output, int? width, FilesReport report, int top)
    {
        var lines = new LineWriter(output);
        lines.Line($"{report.Source}: {report.FileSystem}{(report.Label is { Length: > 0 } label ? $" '{label}'" : "")}"
            + (report.Length is { } length ? $", {ByteText.Size(length)}" : "") + (report.BlockSize > 0 ? $", blocks of {ByteText.Size(report.BlockSize)}" : ""));
        if (report.Features is { Count: > 0 } features)
        {
            lines.Line($"  features: {string.Join(' ', features)}");
        }

        foreach (var note in report.Notes)
        {
            lines.Line($"  note: {note}");
        }

        if (report.Files is [{ Extents: { } extents } one])
        {
            WriteOne(output, width, lines, report, one, extents, top);
            return;
        }

        var table = new TextTable(("file", 0), ("size", 0), ("extents", 3), ("aligned", 4), ("2 MiB leaves", 0), ("1 GiB", 2), ("why not", 1));
        foreach (var file in report.Files.Take(top))
        {
            table.Add(file.Path, ByteText.Size(file.Size), Number(file.ExtentCount), Number(file.AlignedExtents), Leaves(file.Leaves2MiB), Leaves(file.Leaves1GiB), TextTable.Shortened(WhyNot(file)));
        }

        lines.Line();
        table.Write(output, width);
        lines.Line();
        lines.Line($"{Number(report.Files.Count)} file{(report.Files.Count == 1 ? "" : "s")}{(report.Files.Count > top ? $", of which the {top} largest are shown (--top)" : "")}, {Number(report.OtherInodes)} other inodes; "
            + $"{Number(report.Files.Sum(f => Shown(f.Leaves2MiB)))} of {Number(report.Files.Sum(f => f.Leaves2MiB?.Windows ?? 0))} windows of 2 MiB can have a leaf of 2 MiB.");
    }

    private static void WriteOne(TextWriter output, int? width, LineWriter lines, FilesReport report, FileMap file, IReadOnlyList<PlacedExtent> extents, int top)
    {
        lines.Line();
        lines.Line($"{file.Path}{(file.Inode > 0 ? $", inode {file.Inode}" : "")}: {ByteText.Size(file.Size)} in {Number(file.ExtentCount)} extent{(file.ExtentCount == 1 ? "" : "s")}, "
            + $"{Number(file.AlignedExtents)} at a place congruent to the file offset modulo 2 MiB");
        lines.Line($"  bytes: {string.Join(", ", file.Bytes.Select(b => $"{ByteText.Size(b.Value)} {Words(b.Key)}"))}");
        lines.Line(file.StoreRefusal == "None" ? "  stores: to written extents" : $"  stores: none ({file.StoreRefusal})");
        foreach (var totals in new[] { file.Leaves2MiB, file.Leaves1GiB })
        {
            if (totals is not null)
            {
                lines.Line($"  leaves of {ByteText.Size(totals.LeafSize)}: {Number(totals.Writable)} of {Number(totals.Windows)} windows for loads and stores, {Number(totals.LoadOnly)} for loads alone (shared), {Number(totals.Unwritten)} once written");
                foreach (var (reason, windows) in totals.Refused)
                {
                    lines.Line($"    {Number(windows)} not: {reason}");
                }
            }
        }

        var table = new TextTable(("file offset", 0), ("device offset", 0), ("length", 0), ("state", 0), ("modulo 2 MiB", 1));
        ulong start = report.DeviceStart ?? 0;
        foreach (var extent in extents.Take(top))
        {
            ulong distance = (start + unchecked((ulong)(extent.DeviceOffset - extent.FileOffset))) & (FileMap.PmdLeaf - 1);
            table.Add($"0x{extent.FileOffset:x}", $"0x{extent.DeviceOffset:x}", ByteText.Size(extent.Length), Words(extent.State.ToString()), distance == 0 ? "aligned" : $"0x{distance:x}");
        }

        if (extents.Count > 0)
        {
            lines.Line();
            table.Write(output, width);
        }

        if (extents.Count > top)
        {
            lines.Line($"  and {Number(extents.Count - top)} more (--top, --json)");
        }
    }

    private static string WhyNot(FileMap file)
    {
        if (file.Damage is { } damage)
        {
            return damage;
        }

        var reasons = file.Leaves2MiB?.Refused.OrderByDescending(r => r.Value).Take(MostReasons).Select(r => $"{r.Key} {Number(r.Value)}") ?? [];
        return string.Join(", ", file.StoreRefusal == "None" ? reasons : reasons.Prepend($"no stores: {file.StoreRefusal}"));
    }

    private static long Shown(WindowTotals? totals) => totals is null ? 0 : totals.Writable + totals.LoadOnly;

    private static string Leaves(WindowTotals? totals) => totals is null || totals.Windows == 0 ? "-" : $"{Number(Shown(totals))}/{Number(totals.Windows)}";

    private static string Words(string state) => state switch
    {
        nameof(ExtentState.Hole) => "hole",
        nameof(ExtentState.NoPlace) => "no place",
        _ => state.ToLowerInvariant(),
    };

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
