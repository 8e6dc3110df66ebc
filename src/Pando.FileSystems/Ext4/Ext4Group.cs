using Pando.FileSystems.Images;

namespace Pando.FileSystems.Ext4;

/// <summary>A group's descriptor (struct ext4_group_desc), checked.</summary>
/// <param name="BlockBitmap">The block of its bitmap of blocks.</param>
/// <param name="InodeBitmap">The block of its bitmap of inodes.</param>
/// <param name="InodeTable">The first block of its inodes.</param>
internal readonly record struct Ext4Group(ulong BlockBitmap, ulong InodeBitmap, ulong InodeTable)
{
    private const int ChecksumAt = 30;
    private const int WideSize = 64;

    public static Ext4Group Read(Ext4Superblock super, long group, ReadOnlySpan<byte> all)
    {
        var structure = $"Ext4 group {group}";
        var bytes = new LittleEndianBytes(all, structure);
        if (Checksum(super, group, all) is { } sum && sum != bytes.U16(ChecksumAt))
        {
            throw FileSystemException.BadChecksum(structure);
        }

        bool isWide = all.Length >= WideSize;
        var found = new Ext4Group(
            isWide ? bytes.Wide(0, 32) : bytes.U32(0),
            isWide ? bytes.Wide(4, 36) : bytes.U32(4),
            isWide ? bytes.Wide(8, 40) : bytes.U32(8));
        return super.Contains(found.BlockBitmap, 1) && super.Contains(found.InodeBitmap, 1) && super.Contains(found.InodeTable, TableBlocks(super))
            ? found
            : throw FileSystemException.Damaged($"{structure}: its bitmaps or inodes lie outside of the file system.");
    }

    /// <summary>Blocks of a group's inodes.</summary>
    public static ulong TableBlocks(Ext4Superblock super) => (((ulong)super.GroupInodes * (ulong)super.InodeSize) + (ulong)super.BlockSize - 1) >> super.BlockShift;

    private static ushort? Checksum(Ext4Superblock super, long group, ReadOnlySpan<byte> all)
    {
        if (super.HasChecksums)
        {
            uint sum = Crc32C.Update(Crc32C.Update(super.Seed, (uint)group), all[..ChecksumAt]);
            return (ushort)Crc32C.Update(Crc32C.Update(sum, stackalloc byte[2]), all[(ChecksumAt + 2)..]);
        }

        if ((super.ReadOnlyCompatible & Ext4Features.GroupChecksums) == 0)
        {
            return null;
        }

        Span<byte> number = stackalloc byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(number, (uint)group);
        var old = Crc16.Update(Crc16.Update(Crc16.Start, super.Identity.ToByteArray(bigEndian: true)), number);
        return Crc16.Update(Crc16.Update(old, all[..ChecksumAt]), all[(ChecksumAt + 2)..]);
    }
}
