using System.Numerics;
using System.Text;
using Pando.FileSystems.Images;

namespace Pando.FileSystems.Xfs;

/// <summary>The superblock of XFS, checked: what is derived from it cannot overflow. Offsets are those of struct xfs_dsb.</summary>
internal sealed class XfsSuperblock
{
    public const uint Magic = 0x58465342; // "XFSB"
    private const int Size = 512; // the smallest sector
    private const int ChecksumAt = 224;
    private const int InodeCore = 176;

    private XfsSuperblock(string image, BigEndianBytes bytes, int sector, int block)
    {
        (BlockSize, SectorSize) = (block, sector);
        BlockShift = BitOperations.Log2((uint)block);
        (Blocks, GroupBlocks, Groups) = (bytes.U64(8), bytes.U32(84), bytes.U32(88));
        GroupShift = bytes.U8(124);
        (InodeSize, InodeShift) = (bytes.U16(104), bytes.U8(123));
        DirectoryShift = bytes.U8(192);
        (LogStart, LogBlocks) = (bytes.U64(48), bytes.U32(96));
        RootNumber = bytes.U64(56);
        Label = Encoding.UTF8.GetString(bytes.Slice(108, 12)).TrimEnd('\0');
        (Incompatible, ReadOnlyCompatible) = (bytes.U32(216), bytes.U32(212));
        Features = XfsFeatures.Check(image, Incompatible, ReadOnlyCompatible, bytes.U32(220));
        Identity = new Guid(bytes.Slice(32, 16), bigEndian: true);
        MetadataIdentity = Has(XfsFeatures.OtherIdentity) ? new Guid(bytes.Slice(248, 16), bigEndian: true) : Identity;
        Check(image, bytes);
    }

    public int BlockSize { get; }

    public int BlockShift { get; }

    public int SectorSize { get; }

    public ulong Blocks { get; }

    /// <summary>Blocks of an allocation group but for the last, which may be shorter.</summary>
    public uint GroupBlocks { get; }

    public uint Groups { get; }

    /// <summary>Bits of a block number that are the block in its group.</summary>
    public int GroupShift { get; }

    public int InodeSize { get; }

    /// <summary>Bits of an inode number that are the inode in its block.</summary>
    public int InodeShift { get; }

    /// <summary>Bits of a directory block's number of blocks.</summary>
    public int DirectoryShift { get; }

    public ulong LogStart { get; }

    public uint LogBlocks { get; }

    public ulong RootNumber { get; }

    public string Label { get; }

    public Guid Identity { get; }

    /// <summary>The identity that stands in the other structures: the first one, when it was changed.</summary>
    public Guid MetadataIdentity { get; }

    public uint Incompatible { get; }

    public uint ReadOnlyCompatible { get; }

    public IReadOnlyList<string> Features { get; }

    public long Length => (long)Blocks << BlockShift;

    public bool Has(uint incompatible) => (Incompatible & incompatible) != 0;

    public bool HasRefcounts => (ReadOnlyCompatible & XfsFeatures.Refcounts) != 0;

    /// <summary>Reads and checks the first superblock.</summary>
    public static XfsSuperblock Read(ImageSource image)
    {
        var start = new byte[Size];
        image.Read(0, start);
        var bytes = new BigEndianBytes(start, "XFS superblock");
        if ((bytes.U16(100) & 0xF) != 5)
        {
            throw new FileSystemException(FileSystemRefusal.UnsupportedFileSystem, $"{image.Name}: XFS of version {bytes.U16(100) & 0xF}, whose structures have no checksums; version 5 is read.");
        }

        int sector = bytes.U16(102);
        uint block = bytes.U32(4);
        if (sector is < 512 or > 32768 || !BitOperations.IsPow2(sector) || block is < 1024 or > 65536 || !BitOperations.IsPow2(block) || sector > block)
        {
            throw FileSystemException.Damaged($"{image.Name}: XFS with sectors of {sector} bytes and blocks of {block}.");
        }

        var all = new byte[sector];
        image.Read(0, all);
        var whole = new BigEndianBytes(all, "XFS superblock");
        return ~Crc32C.Without(Crc32C.Start, all, ChecksumAt) == whole.LittleU32(ChecksumAt)
            ? new XfsSuperblock(image.Name, whole, sector, (int)block)
            : throw FileSystemException.BadChecksum($"{image.Name}: XFS superblock");
    }

    /// <summary>Whether blocks of a group, all of them, are there and hold no headers of the group.</summary>
    public bool IsInGroup(ulong group, ulong block, ulong count)
    {
        // Superblock, two headers of free space and inodes, free list: a sector each.
        ulong headers = ((ulong)SectorSize * 4 + (ulong)BlockSize - 1) >> BlockShift;
        return group < Groups && block >= headers && block < GroupLength(group) && count <= GroupLength(group) - block;
    }

    /// <summary>Where a block of a group lies in the image, in bytes.</summary>
    public long ByteOffset(ulong group, ulong block) => (long)(((group * GroupBlocks) + block) << BlockShift);

    private ulong GroupLength(ulong group) => group == Groups - 1 ? Blocks - (group * GroupBlocks) : GroupBlocks;

    private void Check(string image, BigEndianBytes bytes)
    {
        int inodeBits = bytes.U8(122);
        var wrong = 0 switch
        {
            _ when 1 << bytes.U8(120) != BlockSize || 1 << bytes.U8(121) != SectorSize => "the sizes of blocks and sectors",
            _ when bytes.U8(126) != 0 => "mkfs, which did not finish",
            _ when InodeSize is < 512 or > 2048 || InodeSize > BlockSize || inodeBits > 11 || 1 << inodeBits != InodeSize || InodeShift != BlockShift - inodeBits => "the size of inodes",
            _ when GroupBlocks < 64 || GroupShift is < 6 or > 31 || BitOperations.Log2(GroupBlocks - 1) + 1 != GroupShift => "the size of allocation groups",
            _ when Groups == 0 || Blocks == 0 || Blocks > (ulong)(long.MaxValue >> BlockShift) || (Blocks - 1) / GroupBlocks != Groups - 1 => "the number of blocks and allocation groups",
            _ when DirectoryShift > 6 || BlockShift + DirectoryShift > 16 => "the size of directory blocks",
            _ when InodeSize < InodeCore => "the size of inodes",
            _ => null,
        };
        if (wrong is not null)
        {
            throw FileSystemException.Damaged($"{image}: XFS superblock contradicts itself: {wrong}.");
        }
    }
}
