using System.Text;
using Pando.Linux.Native;

namespace Pando.Linux.Proc;

/// <summary>Parses /proc/PID/smaps. The kernel walks every page to write it: read it only where nothing else tells.</summary>
public static class SmapsParser
{
    /// <summary>Parses the text of the file, in order of address.</summary>
    public static IReadOnlyList<SmapsEntry> Parse(ReadOnlySpan<byte> text)
    {
        var entries = new List<SmapsEntry>();
        while (ProcText.TryLine(ref text, out var line))
        {
            Add(entries, line);
        }

        return entries;
    }

    /// <summary>The same of a file, however long; what was read by then if the process ends.</summary>
    internal static IReadOnlyList<SmapsEntry> Read(FileContents file, string path)
    {
        var entries = new List<SmapsEntry>();
        file.ReadLines(path, line => Add(entries, line), out _);
        return entries;
    }

    /// <summary>Entries by their start. A mapping that grew while the file was written stands there twice: the later one counts.</summary>
    internal static Dictionary<ulong, SmapsEntry> ByStart(FileContents file, string path)
    {
        var entries = new Dictionary<ulong, SmapsEntry>();
        foreach (var entry in Read(file, path))
        {
            entries[entry.Start] = entry;
        }

        return entries;
    }

    /// <summary>A mapping's first line begins an entry; those that follow belong to it.</summary>
    private static void Add(List<SmapsEntry> entries, ReadOnlySpan<byte> line)
    {
        var start = ProcText.Hexadecimal(line, out var rest);
        if (rest.Length > 0 && rest[0] == (byte)'-' && rest.Length < line.Length)
        {
            entries.Add(new SmapsEntry(start, ProcText.Hexadecimal(rest[1..], out _), 0, 0, ""));
        }
        else if (entries.Count > 0)
        {
            entries[^1] = WithLine(entries[^1], line);
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
        return ProcText.Kilobytes(ProcText.Word(ref line));
    }
}
