using System.Globalization;

namespace Pando.Cli.Run;

/// <summary>Sizes as options take them: 6TiB, 512GiB, 1.5MiB, or plain bytes.</summary>
internal static class ByteSize
{
    private static readonly string[] Units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

    /// <summary>Reads a size.</summary>
    /// <param name="option">The option that it was given for; it begins the message.</param>
    /// <param name="text">What was given.</param>
    /// <exception cref="InputException">It is no size, or no whole number of bytes, or 8 EiB or more.</exception>
    public static long Parse(string option, string text)
    {
        string trimmed = text.Trim();
        int unit = Array.FindIndex(Units, 1, name => trimmed.EndsWith(name, StringComparison.OrdinalIgnoreCase));
        string digits = unit < 0 ? trimmed : trimmed[..^Units[unit].Length].TrimEnd();
        if (!decimal.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number))
        {
            throw new InputException($"{option}: '{text}' is not a size; write a number and KiB, MiB, GiB, TiB or PiB, as in 6TiB");
        }

        // 28 digits times 2^50 fits no decimal; nothing of that size is a size here.
        decimal bytes = number > 1L << 40 && unit > 0 ? decimal.MaxValue : number * (1L << (10 * Math.Max(unit, 0)));
        if (bytes > long.MaxValue)
        {
            throw new InputException($"{option}: '{text}' is 8 EiB or more, which no address space has; use less, as in 6TiB");
        }

        if (bytes != decimal.Truncate(bytes))
        {
            throw new InputException($"{option}: '{text}' is not a whole number of bytes; use a whole number of KiB, as in 6TiB");
        }

        return (long)bytes;
    }

    /// <summary>A size as an option takes it back, as in "24MiB"; exact.</summary>
    public static string Exact(long bytes)
    {
        int unit = 0;
        while (bytes != 0 && bytes % 1024 == 0 && unit < Units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{bytes}{(unit == 0 ? "" : Units[unit])}");
    }
}
