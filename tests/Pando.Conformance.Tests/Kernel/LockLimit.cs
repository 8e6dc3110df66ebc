using System.Globalization;

namespace Pando.Conformance.Tests.Kernel;

/// <summary>How much memory the agents may lock. The engine has no such limit (mlock(2), RLIMIT_MEMLOCK).</summary>
internal static class LockLimit
{
    private const int IpcLock = 14; // CAP_IPC_LOCK, capabilities(7)

    /// <summary>Why the agents may not lock all that they map; null if they may.</summary>
    public static string? WhyLimited()
    {
        string capabilities = Field("/proc/self/status", "CapEff:")[0];
        if ((ulong.Parse(capabilities, NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> IpcLock & 1) != 0)
        {
            return null;
        }

        string soft = Field("/proc/self/limits", "Max locked memory")[0];
        return soft == "unlimited" ? null : $"RLIMIT_MEMLOCK is {soft} bytes, and CAP_IPC_LOCK is not there";
    }

    private static string[] Field(string file, string name) =>
        File.ReadLines(file).First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..]
            .Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
}
