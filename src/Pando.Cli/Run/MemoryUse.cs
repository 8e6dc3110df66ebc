using System.Globalization;

namespace Pando.Cli.Run;

/// <summary>What the host says of its memory and of this command's (Linux: /proc; see proc(5)).</summary>
internal static class MemoryUse
{
    /// <summary>RAM that can be had without swapping, in bytes.</summary>
    public static long Available => Read("/proc/meminfo", "MemAvailable:") ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>This command's resident memory at this moment.</summary>
    public static long Resident => Read("/proc/self/status", "VmRSS:") ?? Environment.WorkingSet;

    /// <summary>The most that this command's resident memory has ever been (VmHWM); the present where that is not told.</summary>
    public static long ResidentPeak => Read("/proc/self/status", "VmHWM:") ?? Environment.WorkingSet;

    private static long? Read(string path, string key)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        string? line = File.ReadLines(path).FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal));
        string? kilobytes = line?[key.Length..].Replace("kB", "", StringComparison.Ordinal).Trim();
        return long.TryParse(kilobytes, NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value * 1024 : null;
    }
}
