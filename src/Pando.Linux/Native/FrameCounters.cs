namespace Pando.Linux.Native;

/// <summary>/proc/kpagecount and /proc/kpageflags: 8 bytes for each frame of the machine, for root alone.</summary>
internal static unsafe class FrameCounters
{
    /// <summary>The number of a frame in the file of this name; null if it may not be read or is not there.</summary>
    public static long? Read(string proc, string name, ulong frame)
    {
        var file = LibC.Open($"{proc}/{name}", LibC.ReadOnly | LibC.CloseOnExec);
        if (file < 0)
        {
            return null;
        }

        ulong value;
        var read = LibC.ReadAt(file, &value, sizeof(ulong), (long)frame * sizeof(ulong));
        _ = LibC.Close(file);
        return read == sizeof(ulong) ? (long)value : null;
    }
}
