using System.Buffers.Binary;
using System.Numerics;

namespace Pando.FileSystems.Images;

/// <summary>CRC-32C as both file systems use it: XFS with the inversion at the end, ext4 without.</summary>
internal static class Crc32C
{
    /// <summary>What a sum begins with.</summary>
    public const uint Start = uint.MaxValue;

    public static uint Update(uint sum, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            sum = BitOperations.Crc32C(sum, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (var value in bytes)
        {
            sum = BitOperations.Crc32C(sum, value);
        }

        return sum;
    }

    public static uint Update(uint sum, uint littleEndian) => BitOperations.Crc32C(sum, littleEndian);

    /// <summary>The sum over a structure in which the four bytes of the sum itself count as zeroes.</summary>
    public static uint Without(uint sum, ReadOnlySpan<byte> bytes, int sumAt) => Update(Update(Update(sum, bytes[..sumAt]), 0u), bytes[(sumAt + sizeof(uint))..]);
}
