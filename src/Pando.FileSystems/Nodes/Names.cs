namespace Pando.FileSystems.Nodes;

/// <summary>What Linux allows as a name.</summary>
internal static class Names
{
    /// <summary>PATH_MAX of linux/limits.h, with the zero at the end.</summary>
    public const int LongestPath = 4096;

    /// <summary>NAME_MAX.</summary>
    public const int Longest = 255;

    public static bool IsDot(ReadOnlySpan<byte> name) => name.SequenceEqual("."u8);

    public static bool IsDotDot(ReadOnlySpan<byte> name) => name.SequenceEqual(".."u8);

    /// <summary>Whether it can stand in a directory, "." and ".." among them.</summary>
    public static bool IsPossible(ReadOnlySpan<byte> name) => name.Length is > 0 and <= Longest && !name.ContainsAny((byte)0, (byte)'/');
}
