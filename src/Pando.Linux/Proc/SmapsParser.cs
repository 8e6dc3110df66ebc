using System.Text;

namespace Pando.Linux.Proc;

/// <summary>Parses /proc/PID/smaps. The kernel walks every page to write it: read it only where nothing else tells.</summary>
public static class SmapsParser
{
    /// <summary>Parses the text of the file, in order of address.</summary>
    public static IReadOnlyList<SmapsEntry> Parse(ReadOnlySpan<byte> text)
    {
        var entries = new List<SmapsEntry>();
        SmapsEntry? current = null;
        while (ProcText.TryLine(ref text, out var line))
        {
            var start = ProcText.Hexadecimal(line, out var rest);
            if (rest.Length > 0 && rest[0] == (byte)'-' && rest.Length < line.Length)
            {
                Flush(entries, current);
                current = new SmapsEntry(start, ProcText.Hexadecimal(rest[1..], out _), 0, 0, "");
            }
            else if (current is { } entry)
            {
                current = WithLine(entry, line);
            }
        }

        Flush(entries, current);
        return entries;
    }

    private static void Flush(List<SmapsEntry> entries, SmapsEntry? entry)
    {
        if (entry is { } complete)
        {
            entries.Add(complete);
        }
    }

    private static SmapsEntry WithLine(SmapsEntry entry, ReadOnlySpan<byte> line)
    {
        if (line.StartsWith("KernelPageSize:"u8))
        {
            return entry with { KernelPageSize = (ulong)Bytes(line) };
        }

        if (line.StartsWith("AnonHugePages:"u8) || line.StartsWith("ShmemPmdMapped:"u8) || line.StartsWith("FilePmdMapped:"u8))
        {
            return entry with { HugeMappedBytes = entry.HugeMappedBytes + Bytes(line) };
        }

        return line.StartsWith("VmFlags:"u8)
            ? entry with { VmFlags = Encoding.ASCII.GetString(line["VmFlags:"u8.Length..]).Trim() }
            : entry;
    }

    private static long Bytes(ReadOnlySpan<byte> line)
    {
        _ = ProcText.Word(ref line);
        return ProcText.Decimal(ProcText.Word(ref line)) * 1024;
    }
}
