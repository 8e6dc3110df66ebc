using System.Globalization;

namespace Pando.Linux.Native;

/// <summary>A file system's device as one number: major number, then 20 bits of minor number (MAJOR and MINOR of
/// linux/kdev_t.h).</summary>
internal static class DeviceNumber
{
    private const int MinorBits = 20;

    public static uint Of(ulong major, ulong minor) => (uint)((major << MinorBits) | (minor & ((1 << MinorBits) - 1)));

    /// <summary>As /proc/PID/maps writes it: "major:minor" in hexadecimal.</summary>
    public static string Text(uint device) => string.Create(CultureInfo.InvariantCulture, $"{device >> MinorBits:x2}:{device & ((1 << MinorBits) - 1):x2}");

    /// <summary>The number of what <see cref="Text"/> writes; null of anything else.</summary>
    public static uint? Parse(string text) => text.Split(':') is [var major, var minor]
        && uint.TryParse(major, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var high)
        && uint.TryParse(minor, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var low) ? Of(high, low) : null;

    /// <summary>As the names in /sys/dev have it: "major:minor" in decimal.</summary>
    public static string SysText(uint device) => string.Create(CultureInfo.InvariantCulture, $"{device >> MinorBits}:{device & ((1 << MinorBits) - 1)}");
}
