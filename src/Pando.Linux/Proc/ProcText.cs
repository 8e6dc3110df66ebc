using System.Buffers.Text;
using System.Text;

namespace Pando.Linux.Proc;

/// <summary>Small steps of parsing that the readers of /proc share; all on bytes, since the files are many and large.</summary>
internal static class ProcText
{
    private const long MostKilobytes = 1L << 46; // 64 PiB

    /// <summary>Takes the next line (without its end) off the text.</summary>
    public static bool TryLine(ref ReadOnlySpan<byte> text, out ReadOnlySpan<byte> line)
    {
        if (text.IsEmpty)
        {
            line = default;
            return false;
        }

        var end = text.IndexOf((byte)'\n');
        line = end < 0 ? text : text[..end];
        text = end < 0 ? default : text[(end + 1)..];
        return true;
    }

    /// <summary>Takes the next word off the line.</summary>
    public static ReadOnlySpan<byte> Word(ref ReadOnlySpan<byte> line)
    {
        var start = line.IndexOfAnyExcept((byte)' ', (byte)'\t');
        if (start < 0)
        {
            line = default;
            return default;
        }

        line = line[start..];
        var end = line.IndexOfAny((byte)' ', (byte)'\t');
        var word = end < 0 ? line : line[..end];
        line = end < 0 ? default : line[end..];
        return word;
    }

    /// <summary>A decimal number; 0 where there is none.</summary>
    public static long Decimal(ReadOnlySpan<byte> word) => Utf8Parser.TryParse(word, out long value, out _) ? value : 0;

    /// <summary>Bytes of a number of KiB; 0 where there is none, or one that no machine has.</summary>
    public static long Kilobytes(ReadOnlySpan<byte> word) => Decimal(word) is >= 0 and <= MostKilobytes and var kilobytes ? kilobytes * 1024 : 0;

    /// <summary>A hexadecimal number at the start of the text; the rest is what follows it.</summary>
    public static ulong Hexadecimal(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> rest)
    {
        ulong value = 0;
        var i = 0;
        for (; i < text.Length; i++)
        {
            var letter = text[i];
            var digit = letter switch
            {
                >= (byte)'0' and <= (byte)'9' => letter - '0',
                >= (byte)'a' and <= (byte)'f' => letter - 'a' + 10,
                _ => -1,
            };
            if (digit < 0)
            {
                break;
            }

            value = (value << 4) | (uint)digit;
        }

        rest = text[i..];
        return value;
    }

    /// <summary>Lines "Name: 123 kB" or "name 123": name to number, kB turned into bytes.</summary>
    public static Dictionary<string, long> Numbers(ReadOnlySpan<byte> text)
    {
        var numbers = new Dictionary<string, long>(StringComparer.Ordinal);
        while (TryLine(ref text, out var line))
        {
            var name = Word(ref line).TrimEnd((byte)':');
            var value = Word(ref line);
            numbers[Encoding.UTF8.GetString(name)] = Word(ref line).SequenceEqual("kB"u8) ? Kilobytes(value) : Math.Max(0, Decimal(value));
        }

        return numbers;
    }
}
