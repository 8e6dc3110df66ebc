using System.Globalization;

namespace Pando.Linux.Text;

/// <summary>Sizes for people, in the largest binary unit of which they have at least one.</summary>
public static class ByteText
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    /// <summary>Three digits: "4 KiB", "23.4 MiB", "234 GiB".</summary>
    public static string Size(long bytes)
    {
        var (value, unit) = Scaled(bytes);
        return Text(value, unit == 0 || Math.Abs(value) >= 100 || value == Math.Floor(value) ? "0" : Math.Abs(value) >= 10 ? "0.0" : "0.00", Units[unit]);
    }

    /// <summary>One digit more: "0 bytes", "4 KiB", "23.41 MiB", "234.4 GiB", "1,010.1 MiB".</summary>
    public static string Precise(long bytes)
    {
        var (value, unit) = Scaled(bytes);
        return Text(value, value == Math.Truncate(value) ? "N0" : Math.Abs(value) < 100 ? "N2" : "N1", unit == 0 ? "bytes" : Units[unit]);
    }

    private static (double Value, int Unit) Scaled(long bytes)
    {
        var unit = 0;
        double value = bytes;
        while (Math.Abs(value) >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return (value, unit);
    }

    private static string Text(double value, string format, string unit) => $"{value.ToString(format, CultureInfo.InvariantCulture)} {unit}";
}
