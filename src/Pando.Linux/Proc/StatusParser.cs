using System.Text;
using Pando.Linux.Text;

namespace Pando.Linux.Proc;

/// <summary>Parses /proc/PID/status.</summary>
public static class StatusParser
{
    /// <summary>Parses the text of the file.</summary>
    public static ProcessStatus Parse(ReadOnlySpan<byte> text)
    {
        var name = "";
        var state = "";
        var user = -1;
        var threads = 0;
        long? tables = null;
        long hugetlb = 0, resident = 0, anonymous = 0;
        var parent = 0;
        ulong capabilities = 0;
        var refuses = false;
        while (ProcText.TryLine(ref text, out var line))
        {
            if (line.StartsWith("Name:\t"u8))
            {
                name = Printable.Decode(line["Name:\t"u8.Length..]);
            }
            else if (line.StartsWith("State:"u8))
            {
                line = line["State:"u8.Length..];
                state = Encoding.UTF8.GetString(ProcText.Word(ref line));
            }
            else if (line.StartsWith("Threads:"u8))
            {
                line = line["Threads:"u8.Length..];
                threads = (int)ProcText.Decimal(ProcText.Word(ref line));
            }
            else if (line.StartsWith("Uid:"u8))
            {
                line = line["Uid:"u8.Length..];
                _ = ProcText.Word(ref line); // the real user; the effective one decides who may look
                user = (int)ProcText.Decimal(ProcText.Word(ref line));
            }
            else if (line.StartsWith("VmPTE:"u8))
            {
                tables = Kilobytes(line);
            }
            else if (line.StartsWith("HugetlbPages:"u8))
            {
                hugetlb = Kilobytes(line);
            }
            else if (line.StartsWith("VmRSS:"u8))
            {
                resident = Kilobytes(line);
            }
            else if (line.StartsWith("RssAnon:"u8))
            {
                anonymous = Kilobytes(line);
            }
            else if (line.StartsWith("PPid:"u8))
            {
                line = line["PPid:"u8.Length..];
                parent = (int)ProcText.Decimal(ProcText.Word(ref line));
            }
            else if (line.StartsWith("THP_enabled:"u8))
            {
                line = line["THP_enabled:"u8.Length..];
                refuses = ProcText.Word(ref line).SequenceEqual("0"u8);
            }
            else if (line.StartsWith("CapEff:"u8))
            {
                line = line["CapEff:"u8.Length..];
                capabilities = ProcText.Hexadecimal(ProcText.Word(ref line), out _);
            }
        }

        return new ProcessStatus(name, user, tables, hugetlb, resident, state, threads) { AnonymousBytes = anonymous, ParentPid = parent, Capabilities = capabilities, RefusesHugePages = refuses };
    }

    private static long Kilobytes(ReadOnlySpan<byte> line)
    {
        _ = ProcText.Word(ref line);
        return ProcText.Kilobytes(ProcText.Word(ref line));
    }
}
