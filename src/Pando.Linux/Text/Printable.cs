using System.Globalization;
using System.Text;

namespace Pando.Linux.Text;

/// <summary>
/// Names of processes, files and cgroups are chosen by strangers, and may hold whatever a terminal or a page acts on:
/// escape sequences, line breaks, marks that turn the direction of writing, bytes that are no UTF-8. This is the form
/// in which they are shown: one line, every character visible. Safe for use by several threads.
/// </summary>
public static class Printable
{
    // Letters by category, and blank all the same: Hangul fillers, the empty Braille pattern.
    private const string BlankLetters = "\u115F\u1160\u3164\uFFA0\u2800";

    /// <summary>
    /// The text with everything that would not be seen as itself escaped: control characters as the kernel writes them
    /// in maps (\033), others by their number (\u202e, \U000e0041). The same text where nothing needs it.
    /// </summary>
    public static string Text(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return FirstHidden(text) < 0 ? text : Escape(text);
    }

    /// <summary>The same of bytes as /proc gives them; a byte that is no part of a UTF-8 character is written \351.</summary>
    public static string Text(ReadOnlySpan<byte> bytes) => Text(Decode(bytes));

    /// <summary>
    /// Characters of the bytes, nothing escaped but bytes that are no part of a UTF-8 character (\351): no two names that
    /// differ in such bytes become one.
    /// </summary>
    public static string Decode(ReadOnlySpan<byte> bytes)
    {
        if (System.Text.Unicode.Utf8.IsValid(bytes))
        {
            return Encoding.UTF8.GetString(bytes);
        }

        var text = new StringBuilder(bytes.Length + 16);
        while (!bytes.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(bytes, out var rune, out var length) == System.Buffers.OperationStatus.Done)
            {
                text.Append(rune.ToString());
                bytes = bytes[length..];
            }
            else
            {
                AppendOctal(text, bytes[0]);
                bytes = bytes[1..];
            }
        }

        return text.ToString();
    }

    /// <summary>
    /// The text as one word of a POSIX shell, printable: what is pasted does nothing but name the thing. Text that only holds
    /// letters, digits and _ . / : @ % + = , - stays as it is; other text is put in single quotes.
    /// </summary>
    public static string ShellWord(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length > 0 && (char.IsAsciiLetterOrDigit(text[0]) || text[0] is '/' or '_' or '.') && text.All(c => char.IsAsciiLetterOrDigit(c) || "_./:@%+=,-".Contains(c, StringComparison.Ordinal)))
        {
            return text;
        }

        // $'...' knows escapes, in all shells but the plainest.
        if (FirstHidden(text) >= 0)
        {
            return "$'" + Text(text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)) + "'";
        }

        return (text.StartsWith('-') ? "./" : "") + "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
    }

    private static int FirstHidden(string text)
    {
        for (var i = 0; i < text.Length;)
        {
            var known = Rune.TryGetRuneAt(text, i, out var rune);
            if (!known || IsHidden(rune))
            {
                return i;
            }

            i += rune.Utf16SequenceLength;
        }

        return -1;
    }

    private static string Escape(string text)
    {
        var printable = new StringBuilder(text.Length + 16);
        for (var i = 0; i < text.Length;)
        {
            if (!Rune.TryGetRuneAt(text, i, out var rune))
            {
                printable.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[i]:x4}"); // half of a pair
                i++;
                continue;
            }

            if (!IsHidden(rune))
            {
                printable.Append(text, i, rune.Utf16SequenceLength);
            }
            else if (rune.Value < 0x80)
            {
                AppendOctal(printable, (byte)rune.Value);
            }
            else if (rune.IsBmp)
            {
                printable.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
            }
            else
            {
                printable.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:x8}");
            }

            i += rune.Utf16SequenceLength;
        }

        return printable.ToString();
    }

    /// <summary>True for what a terminal obeys, for what is not seen, and for spaces that are not the plain one.</summary>
    private static bool IsHidden(Rune rune)
    {
        if (rune.Value is >= 0x20 and < 0x7F)
        {
            return false;
        }

        return Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or
                UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator => true,
            UnicodeCategory.NonSpacingMark => rune.Value is (>= 0xFE00 and <= 0xFE0F) or (>= 0xE0100 and <= 0xE01EF) or 0x034F or 0x17B4 or 0x17B5 or (>= 0x180B and <= 0x180F),
            _ => rune.IsBmp && BlankLetters.Contains((char)rune.Value, StringComparison.Ordinal),
        };
    }

    private static void AppendOctal(StringBuilder text, byte value) =>
        text.Append('\\').Append((char)('0' + (value >> 6))).Append((char)('0' + ((value >> 3) & 7))).Append((char)('0' + (value & 7)));
}
