using Pando.Linux.Report;
using Pando.Linux.Text;

namespace Pando.Cli.Views;

/// <summary>Writes the explanation of one range for people.</summary>
internal static class RangeView
{
    public static void Write(TextWriter output, RangeReport r)
    {
        var lines = new LineWriter(output);
        void Line(string text) => lines.Line(text);
        Line($"Process {r.Pid} ({r.Name}), address 0x{r.Address:x}");
        Line($"  mapping   0x{r.Start:x}-0x{r.End:x} {r.Rights}, {ByteText.Size((long)(r.End - r.Start))}{(r.KernelPageSize > 0 ? $", KernelPageSize {ByteText.Size((long)r.KernelPageSize)}" : "")}");
        Line($"  VmFlags   {(r.VmFlags.Length > 0 ? r.VmFlags : "(not readable)")}");
        Line($"  object    {r.ObjectName} ({ScanView.Kind(r.ObjectKind)}), at offset 0x{r.ObjectOffset:x}; mapped by {r.Mappers} process{(r.Mappers == 1 ? "" : "es")}");
        foreach (var other in r.OtherMappings)
        {
            Line($"  also here 0x{other.Start:x}-0x{other.End:x} {other.Rights}, from offset 0x{other.Offset:x}{(other.SameAt is { } same ? $"; the same page at 0x{same:x}" : "")}");
        }

        if (r.OtherMappingCount > r.OtherMappings.Count)
        {
            Line($"            and {r.OtherMappingCount - r.OtherMappings.Count} more mappings of it in this process");
        }

        Line($"  entry     {r.Entry}");
        Line(r.Frame is { } frame
            ? $"  frame     0x{frame:x}, {MapCount(r)}{(r.FrameFlags.Count > 0 ? $"; {string.Join(" ", r.FrameFlags)}" : "")}"
            : "  frame     not readable or none");
        foreach (var level in r.Levels)
        {
            Line($"  {level.Table} table of 0x{level.SpanStart:x}-0x{level.SpanEnd:x}: {(level.Populated ? "has entries" : "no entries found")}; {(level.WhyNot is { } why ? $"its own: {why}" : $"by Pando's rule the same table could serve {CouldServe(level)}")}");
        }

        if (r.Sharing is { } s)
        {
            Line(s.TablesIfPrivate == 0
                ? $"  hugetlb   no PMD tables of 2 MiB pages for {s.Processes} process{(s.Processes == 1 ? "" : "es")}: {string.Join(" ", s.Remarks)}"
                : $"  hugetlb   {s.Tables} PMD tables for {s.Processes} processes ({s.TablesIfPrivate} if private), {(s.Measured ? "counted by kpagecount" : "by the kernel's rules")}{ScanView.OfSample(s)}");
            if (s.TablesIfPrivate > 0)
            {
                Line(s.Outsiders.FirstOrDefault(o => o.Pid == r.Pid) is { } own
                    ? $"    this process has {Tables(own)}"
                    : "    this process shares all of its");
            }

            foreach (var outsider in s.Outsiders.OrderByDescending(o => o.Pid == r.Pid).Take(5))
            {
                Line($"    outside: {outsider.Pid} ({outsider.Name}): {string.Join("; ", outsider.Reasons.Select(x => $"{x.Reason}: {x.Detail}"))}");
            }
        }

        if (r.Dax is { } dax)
        {
            Line($"  DAX       {dax}");
        }

        foreach (var note in r.Notes)
        {
            Line($"Note: {note}");
        }
    }

    private static string Tables(Outsider outsider) => (outsider.OwnTables, outsider.ApartTables) switch
    {
        (var own, 0) => $"{own} of its own",
        (0, var apart) => $"{apart} that fewer share than could",
        var (own, apart) => $"{own} of its own, and {apart} that fewer share than could",
    };

    private static string CouldServe(RangeLevel level)
    {
        var processes = $"{level.CouldShareWith} more process{(level.CouldShareWith == 1 ? "" : "es")}";
        var here = $"{level.CouldShareHere} more span{(level.CouldShareHere == 1 ? "" : "s")} of this process";
        return (level.CouldShareWith, level.CouldShareHere) switch { (_, 0) => processes, (0, _) => here, _ => $"{processes} and {here}" };
    }

    private static string MapCount(RangeReport r) => r.MapCount switch
    {
        null => "count not readable",
        _ when r.Sharing is not null => $"in {r.MapCount} page table{(r.MapCount == 1 ? "" : "s")}",
        1 => "mapped once",
        _ => $"mapped {r.MapCount} times",
    };
}
