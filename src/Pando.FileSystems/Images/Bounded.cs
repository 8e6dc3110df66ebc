namespace Pando.FileSystems.Images;

/// <summary>Parts of structures whose offsets come from an image.</summary>
internal static class Bounded
{
    public static ReadOnlySpan<byte> Slice(ReadOnlySpan<byte> bytes, int at, int length, string structure) =>
        at >= 0 && length >= 0 && at <= bytes.Length - length
            ? bytes.Slice(at, length)
            : throw FileSystemException.Damaged($"{structure}: {length} bytes at {at} are asked for, and it has {bytes.Length}.");
}
