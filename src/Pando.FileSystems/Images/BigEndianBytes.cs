using System.Buffers.Binary;

namespace Pando.FileSystems.Images;

/// <summary>A structure of XFS. Whatever offset is asked for, nothing outside of it is read: that is a refusal with a name.</summary>
internal readonly ref struct BigEndianBytes(ReadOnlySpan<byte> bytes, string structure)
{
    public ReadOnlySpan<byte> All { get; } = bytes;

    public int Length => All.Length;

    public byte U8(int at) => Slice(at, sizeof(byte))[0];

    public ushort U16(int at) => BinaryPrimitives.ReadUInt16BigEndian(Slice(at, sizeof(ushort)));

    public uint U32(int at) => BinaryPrimitives.ReadUInt32BigEndian(Slice(at, sizeof(uint)));

    public ulong U64(int at) => BinaryPrimitives.ReadUInt64BigEndian(Slice(at, sizeof(ulong)));

    /// <summary>XFS keeps its sums the other way round.</summary>
    public uint LittleU32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(Slice(at, sizeof(uint)));

    public ReadOnlySpan<byte> Slice(int at, int length) => Bounded.Slice(All, at, length, structure);

    public BigEndianBytes Part(int at, int length) => new(Slice(at, length), structure);
}
