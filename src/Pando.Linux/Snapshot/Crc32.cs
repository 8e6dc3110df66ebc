namespace Pando.Linux.Snapshot;

/// <summary>
/// The checksum of gzip and Ethernet (ISO 3309), to notice damage. Not from the base library's cryptography: on Linux
/// that loads OpenSSL, and the command must run on servers that have none.
/// </summary>
internal static class Crc32
{
    private const uint Polynomial = 0xEDB88320; // bits reversed
    private static readonly uint[] Table = [.. Enumerable.Range(0, 256).Select(OfByte)];

    /// <summary>The checksum of the bytes.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var sum = uint.MaxValue;
        foreach (var value in bytes)
        {
            sum = Table[(byte)(sum ^ value)] ^ (sum >> 8);
        }

        return ~sum;
    }

    private static uint OfByte(int value)
    {
        var sum = (uint)value;
        for (var bit = 0; bit < 8; bit++)
        {
            sum = (sum >> 1) ^ ((sum & 1) * Polynomial);
        }

        return sum;
    }
}
