using System.Buffers.Binary;
using Pando.FileSystems.Images;

namespace Pando.FileSystems.Tests;

/// <summary>
/// Changes an image where a reader reads it, as a stranger might: bits, numbers at their limits, blocks that are swapped, copied or
/// cleared. Checksums of XFS are made right again in most runs, so that what they would hide is seen. Taken back at the end.
/// </summary>
internal sealed class ImageMutation : IDisposable
{
    private static readonly ulong[] Limits = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, int.MaxValue, 0x80000000, uint.MaxValue, long.MaxValue, 1UL << 63, ulong.MaxValue, ulong.MaxValue - 1];

    /// <summary>Where XFS keeps the sum of a structure, by the structure's first bytes.</summary>
    private static readonly (uint Magic, int SumAt)[] Sums =
        [(0x58465342, 224), (0x58414746, 216), (0x424d4133, 64), (0x52334643, 52), (0x58444233, 4), (0x58444433, 4), (0x58534c4d, 12)];

    private readonly byte[] _image;
    private readonly Stack<(long Offset, byte[] Bytes)> _before = new();

    public ImageMutation(byte[] image, IReadOnlyList<(long Offset, int Length)> places, Random random)
    {
        _image = image;
        Length = random.Next(12) == 0 ? random.NextInt64(image.Length) : image.Length;
        bool seals = random.Next(4) > 0;
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            var (offset, length) = places[random.Next(places.Count)];
            Save(offset, length);
            Change(image.AsSpan((int)offset, length), places, random);
            if (seals)
            {
                Seal(image.AsSpan((int)offset, length));
            }
        }
    }

    /// <summary>How long the image says that it is.</summary>
    public long Length { get; }

    public void Dispose()
    {
        while (_before.TryPop(out var before))
        {
            before.Bytes.CopyTo(_image, before.Offset);
        }
    }

    private void Save(long offset, int length) => _before.Push((offset, _image.AsSpan((int)offset, length).ToArray()));

    private void Change(Span<byte> bytes, IReadOnlyList<(long Offset, int Length)> places, Random random)
    {
        // Most fields that matter stand at the beginning of their structure.
        int at = random.Next(2) == 0 ? random.Next(Math.Min(bytes.Length, 256)) : random.Next(bytes.Length);
        switch (random.Next(8))
        {
            case 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2 or 3:
                Put(bytes, at, Limits[random.Next(Limits.Length)], random);
                break;
            case 4:
                Put(bytes, at, (ulong)random.NextInt64(0, _image.Length >> random.Next(8, 24)), random);
                break;
            case 5:
                var other = places[random.Next(places.Count)];
                _image.AsSpan((int)other.Offset, Math.Min(other.Length, bytes.Length)).CopyTo(bytes);
                break;
            case 6:
                at &= ~3;
                bytes.Slice(at, Math.Min(random.Next(1, 64), bytes.Length - at)).Clear();
                break;
            default:
                int length = Math.Min(random.Next(1, 32), bytes.Length - at);
                bytes.Slice(at, length).ToArray().CopyTo(bytes[random.Next(bytes.Length - length + 1)..]);
                break;
        }
    }

    private static void Put(Span<byte> bytes, int at, ulong value, Random random)
    {
        Span<byte> number = stackalloc byte[8];
        int size = 1 << random.Next(4);
        while (size > bytes.Length)
        {
            size /= 2;
        }

        at = Math.Min(at & -size, bytes.Length - size);
        if (random.Next(2) == 0)
        {
            BinaryPrimitives.WriteUInt64BigEndian(number, value);
            number[(8 - size)..].CopyTo(bytes[at..]);
        }
        else
        {
            BinaryPrimitives.WriteUInt64LittleEndian(number, value);
            number[..size].CopyTo(bytes[at..]);
        }
    }

    private static void Seal(Span<byte> bytes)
    {
        uint magic = bytes.Length >= 512 ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : 0;
        int sumAt = magic >> 16 == 0x494e ? 100 : Sums.FirstOrDefault(s => s.Magic == magic).SumAt;
        if (sumAt > 0)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[sumAt..], ~Crc32C.Without(Crc32C.Start, bytes, sumAt));
        }
    }
}
