using Pando.Linux.Report;

namespace Pando.Cli.Views;

/// <summary>Writes the explanation of one range for people.</summary>
internal static class RangeView
{
    public static void Write(TextWriter output, RangeReport r)
    {
        void Line(string text) => output.WriteLine(text);
        Line($"Process {r.Pid} ({r.Name}), address 0x{r.Address:x}");
        Line($"  mapping   0x{r.Start:x}-0x{r.End:x} {r.Rights}, {ByteText.Size((long)(r.End - r.Start))}, pages of {ByteText.Size((long)r.KernelPageSize)}");
        Line($"  VmFlags   {(r.VmFlags.Length > 0 ? r.VmFlags : "(not readable)")}");
        Line($"  object    {r.ObjectName} ({r.ObjectKind}), at offset 0x{r.ObjectOffset:x}; mapped by {r.Mappers} process{(r.Mappers == 1 ? "" : "es")}");
        Line($"  entry     {r.Entry}");
        Line(r.Frame is { } frame
            ? $"  frame     0x{frame:x}, mapped {(r.MapCount is { } count ? $"{count} times" : "(count not readable)")}, {string.Join(" ", r.FrameFlags)}"
            : "  frame     not readable or none");
        foreach (var level in r.Levels)
        {
            Line($"  {level.Table} table 0x{level.SpanStart:x}-0x{level.SpanEnd:x}: {(level.Populated ? "has entries" : "no entries found")}; {(level.WhyNot is { } why ? $"cannot be shared: {why}" : $"could be shared with {level.CouldShareWith} other processes (Pando's rule)")}");
        }

        if (r.Sharing is { } s)
        {
            Line($"  hugetlb   {s.Tables} PMD tables for {s.Processes} processes ({s.TablesIfPrivate} if private), {(s.Measured ? "counted by kpagecount" : "by the kernel's rules")}");
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
}
