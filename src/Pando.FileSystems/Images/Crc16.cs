namespace Pando.FileSystems.Images;

/// <summary>CRC-16 (polynomial 0x8005, reversed), which ext4 had for its groups before it had CRC-32C.</summary>
internal static class Crc16
{
    /// <summary>What a sum begins with.</summary>
    public const ushort Start = ushort.MaxValue;
    private const ushort Polynomial = 0xA001;

    public static ushort Update(ushort sum, ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            sum ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                sum = (ushort)((sum & 1) != 0 ? (sum >> 1) ^ Polynomial : sum >> 1);
            }
        }

        return sum;
    }
}
