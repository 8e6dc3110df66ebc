using System.Numerics;
using System.Text;
using Pando.FileSystems.Images;

namespace Pando.FileSystems.Ext4;

/// <summary>The superblock of ext4, checked: what is derived from it cannot overflow. Offsets are those of struct ext4_super_block.</summary>
internal sealed class Ext4Superblock
{
    public const ushort Magic = 0xEF53;
    public const int Place = 1024;
    public const int MagicAt = 56;
    private const int Size = 1024;
    private const int ChecksumAt = 1020;
    private const ushort StateValid = 1;
    private const ushort StateErrors = 2;

    private Ext4Superblock(string image, LittleEndianBytes bytes)
    {
        (Incompatible, ReadOnlyCompatible) = (bytes.U32(96), bytes.U32(100));
        uint compatible = bytes.U32(92);
        Features = Ext4Features.Check(image, compatible, Incompatible, ReadOnlyCompatible);
        bool isWide = Has(Ext4Features.Wide);
        uint blockShift = bytes.U32(24);
        BlockShift = blockShift <= 6 ? 10 + (int)blockShift : throw FileSystemException.Damaged($"{image}: ext4 with blocks of 2^{blockShift} KiB.");
        Blocks = isWide ? bytes.Wide(4, 336) : bytes.U32(4);
        (FirstBlock, GroupBlocks, GroupInodes, Inodes) = (bytes.U32(20), bytes.U32(32), bytes.U32(40), bytes.U32(0));
        InodeSize = bytes.U32(76) == 0 ? 128 : bytes.U16(88);
        DescriptorSize = isWide ? bytes.U16(254) : 32;
        (ReservedTableBlocks, FirstMetaGroup) = (bytes.U16(206), bytes.U32(260));
        Identity = new Guid(bytes.Slice(104, 16), bigEndian: true);
        Seed = Has(Ext4Features.ChecksumSeed) ? bytes.U32(624) : Crc32C.Update(Crc32C.Start, bytes.Slice(104, 16));
        Label = Encoding.UTF8.GetString(bytes.Slice(120, 16)).TrimEnd('\0');
        MountProtectionBlock = bytes.U64(360);
        HasFewCopies = (compatible & Ext4Features.FewCopies) != 0;
        (FirstCopy, SecondCopy) = (bytes.U32(588), bytes.U32(592));
        FirstInode = bytes.U32(76) == 0 ? 11 : bytes.U32(84);
        Check(image, bytes);
        CheckState(image, bytes, compatible);
    }

    public int BlockShift { get; }

    public int BlockSize => 1 << BlockShift;

    public ulong Blocks { get; }

    /// <summary>The block at which the groups begin: 1 with blocks of 1 KiB (but for bigalloc), else 0.</summary>
    public uint FirstBlock { get; }

    public uint GroupBlocks { get; }

    public uint GroupInodes { get; }

    public uint Inodes { get; }

    public int InodeSize { get; }

    public int DescriptorSize { get; }

    public int ReservedTableBlocks { get; }

    /// <summary>With meta_bg: from which block of descriptors on they lie in their own groups.</summary>
    public uint FirstMetaGroup { get; }

    public uint FirstInode { get; }

    /// <summary>With sparse_super2: two groups alone have copies of the superblock, <see cref="FirstCopy"/> and <see cref="SecondCopy"/>.</summary>
    public bool HasFewCopies { get; }

    public uint FirstCopy { get; }

    public uint SecondCopy { get; }

    /// <summary>The block that the superblock in use is in.</summary>
    public uint OwnBlock => BlockShift == 10 ? 1u : 0u;

    public ulong MountProtectionBlock { get; }

    public Guid Identity { get; }

    /// <summary>What checksums of other structures begin with.</summary>
    public uint Seed { get; }

    public string Label { get; }

    public uint Incompatible { get; }

    public uint ReadOnlyCompatible { get; }

    public IReadOnlyList<string> Features { get; }

    public long Length => (long)Blocks << BlockShift;

    public long Groups => (long)((Blocks - FirstBlock + GroupBlocks - 1) / GroupBlocks);

    public bool HasChecksums => (ReadOnlyCompatible & Ext4Features.Checksums) != 0;

    public bool Has(uint incompatible) => (Incompatible & incompatible) != 0;

    /// <summary>Reads and checks the first superblock.</summary>
    public static Ext4Superblock Read(ImageSource image)
    {
        var all = new byte[Size];
        image.Read(Place, all);
        var bytes = new LittleEndianBytes(all, "ext4 superblock");
        if ((bytes.U32(96) & Ext4Features.JournalDevice) != 0)
        {
            throw new FileSystemException(FileSystemRefusal.UnsupportedFileSystem, $"{image.Name} is the journal of an ext4 on another device.");
        }

        bool hasChecksums = (bytes.U32(100) & Ext4Features.Checksums) != 0;
        return hasChecksums && (bytes.U8(373) != 1 || Crc32C.Update(Crc32C.Start, all.AsSpan(0, ChecksumAt)) != bytes.U32(ChecksumAt))
            ? throw FileSystemException.BadChecksum($"{image.Name}: ext4 superblock")
            : new Ext4Superblock(image.Name, bytes);
    }

    /// <summary>Whether blocks, all of them, are in the file system.</summary>
    public bool Contains(ulong block, ulong count) => block >= FirstBlock && block < Blocks && count <= Blocks - block;

    private void Check(string image, LittleEndianBytes bytes)
    {
        uint clusterShift = bytes.U32(28);
        bool isBig = (ReadOnlyCompatible & Ext4Features.BigAllocation) != 0;
        var wrong = 0 switch
        {
            _ when bytes.U32(76) > 1 => "its revision",
            _ when FirstBlock > OwnBlock || (!isBig && FirstBlock != OwnBlock) => "its first block",
            _ when clusterShift > 20 || (isBig ? clusterShift + 10 < BlockShift : clusterShift + 10 != BlockShift) => "the size of clusters",
            _ when Blocks <= FirstBlock || Blocks > (ulong)(long.MaxValue >> BlockShift) => "the number of blocks",
            _ when GroupBlocks == 0 || GroupBlocks > (isBig ? 1u << 31 : 8u << BlockShift) || GroupBlocks % 8 != 0 => "the blocks of a group",
            _ when InodeSize < 128 || InodeSize > BlockSize || !BitOperations.IsPow2(InodeSize) => "the size of inodes",
            _ when GroupInodes == 0 || GroupInodes > 8u << BlockShift => "the inodes of a group",
            _ when DescriptorSize < 32 || DescriptorSize > Math.Min(BlockSize, 1024) || !BitOperations.IsPow2(DescriptorSize) || (Has(Ext4Features.Wide) && DescriptorSize < 64) => "the size of group descriptors",
            _ when Groups > 1L << 32 || (ulong)Inodes > (ulong)Groups * GroupInodes => "the number of inodes",
            _ => null,
        };
        if (wrong is not null)
        {
            throw FileSystemException.Damaged($"{image}: ext4 superblock contradicts itself: {wrong}.");
        }
    }

    private void CheckState(string image, LittleEndianBytes bytes, uint compatible)
    {
        ushort state = bytes.U16(58);
        if ((state & StateErrors) != 0)
        {
            throw new FileSystemException(FileSystemRefusal.NeedsRepair, $"{image}: ext4 says that it has errors. Run e2fsck on it.");
        }

        if (Has(Ext4Features.Recover))
        {
            throw new FileSystemException(FileSystemRefusal.DirtyLog, $"{image}: the journal of ext4 holds changes that are not in place yet, or it is mounted. Mount and unmount it once.");
        }

        if ((state & StateValid) == 0)
        {
            throw new FileSystemException(FileSystemRefusal.DirtyLog, $"{image}: ext4 was not unmounted, or it is mounted. Run e2fsck on it.");
        }

        if (bytes.U32(232) != 0 || (ReadOnlyCompatible & Ext4Features.OrphanPresent) != 0)
        {
            throw new FileSystemException(FileSystemRefusal.DirtyLog, $"{image}: ext4 has files that are to be deleted or cut at the next mount. Mount and unmount it once.");
        }

        if ((compatible & Ext4Features.HasJournal) != 0 && bytes.U32(224) == 0)
        {
            throw new FileSystemException(FileSystemRefusal.ExternalLog, $"{image}: ext4 has its journal on another device.");
        }
    }
}
