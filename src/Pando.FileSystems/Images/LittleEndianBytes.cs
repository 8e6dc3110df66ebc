using System.Buffers.Binary;

namespace Pando.FileSystems.Images;

/// <summary>A structure of ext4. Whatever offset is asked for, nothing outside of it is read: that is a refusal with a name.</summary>
internal readonly ref struct LittleEndianBytes(ReadOnlySpan<byte> bytes, string structure)
{
    public ReadOnlySpan<byte> All { get; } = bytes;

    public int Length => All.Length;

    public byte U8(int at) => Slice(at, sizeof(byte))[0];

    public ushort U16(int at) => BinaryPrimitives.ReadUInt16LittleEndian(Slice(at, sizeof(ushort)));

    public uint U32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(Slice(at, sizeof(uint)));

    public ulong U64(int at) => BinaryPrimitives.ReadUInt64LittleEndian(Slice(at, sizeof(ulong)));

    /// <summary>A number in two halves.</summary>
    public ulong Wide(int low, int high) => U32(low) | ((ulong)U32(high) << 32);

    public ReadOnlySpan<byte> Slice(int at, int length) => Bounded.Slice(All, at, length, structure);
}
