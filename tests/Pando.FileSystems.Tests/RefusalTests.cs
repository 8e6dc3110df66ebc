using System.Buffers.Binary;
using System.Text;
using Pando.FileSystems.Images;
using Pando.FileSystems.Volumes;
using Pando.Tests.Shared;

namespace Pando.FileSystems.Tests;

/// <summary>What may not be read is refused, with the reason that a person can act on.</summary>
public sealed class RefusalTests
{
    private static FileSystemException Refused(byte[] image) => Assert.Throws<FileSystemException>(() => FileSystemImage.Open(new MemoryImage(image)));

    private static byte[] Xfs(Action<byte[]> change)
    {
        var image = SmallImage.Bytes("xfs");
        change(image);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(224), ~Crc32C.Without(Crc32C.Start, image.AsSpan(0, 512), 224));
        return image;
    }

    private static byte[] Ext4(Action<byte[]> change)
    {
        var image = SmallImage.Bytes("ext4");
        change(image);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(1024 + 1020), Crc32C.Update(Crc32C.Start, image.AsSpan(1024, 1020)));
        return image;
    }

    [Theory]
    [InlineData(216, 31, "incompat feature 0x80000000")]
    [InlineData(216, 8, "incompat feature 0x100")]
    [InlineData(212, 4, "ro_compat feature 0x10")]
    [InlineData(220, 1, "log_incompat feature 0x2")]
    public void An_unknown_feature_of_XFS_is_refused_by_its_number(int at, int bit, string words)
    {
        var refusal = Refused(Xfs(image => image[at + 3 - (bit / 8)] |= (byte)(1 << (bit % 8))));
        Assert.Equal(FileSystemRefusal.UnknownFeature, refusal.Reason);
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(96, 0)] // compression
    [InlineData(96, 12)] // dirdata
    [InlineData(96, 18)]
    [InlineData(100, 7)] // snapshots
    [InlineData(100, 11)] // replicas
    [InlineData(100, 14)] // shared blocks
    [InlineData(100, 17)]
    public void An_unknown_feature_of_ext4_is_refused_by_its_number(int at, int bit)
    {
        var refusal = Refused(Ext4(image => image[1024 + at + (bit / 8)] |= (byte)(1 << (bit % 8))));
        Assert.Equal(FileSystemRefusal.UnknownFeature, refusal.Reason);
        Assert.Contains($"0x{1 << bit:x}", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_state_of_XFS_is_refused_by_name()
    {
        Assert.Equal(FileSystemRefusal.NeedsRepair, Refused(Xfs(image => image[219] |= 16)).Reason);
        Assert.Equal(FileSystemRefusal.ExternalLog, Refused(Xfs(image => image.AsSpan(48, 8).Clear())).Reason);
        Assert.Equal(FileSystemRefusal.UnsupportedFileSystem, Refused(Xfs(image => image[101] = (byte)((image[101] & 0xF0) | 4))).Reason);
        var broken = SmallImage.Bytes("xfs");
        broken[200] ^= 1;
        Assert.Equal(FileSystemRefusal.BadChecksum, Refused(broken).Reason);
        Assert.Equal(FileSystemRefusal.ImageTooShort, Refused(SmallImage.Bytes("xfs")[..^4096]).Reason);
    }

    [Fact]
    public void A_log_of_XFS_with_something_behind_the_unmount_record_is_dirty()
    {
        var image = SmallImage.Bytes("xfs");
        var log = LogOf(image);
        int head = 0;
        uint round = Cycle(log.Span);
        while (Cycle(log.Span[head..]) == round)
        {
            head += 512;
        }

        // One more sector of this round: what a crash left behind.
        log.Span.Slice(head, 512).Clear();
        BinaryPrimitives.WriteUInt32BigEndian(log.Span[head..], round);
        var refusal = Refused(image);
        Assert.Equal(FileSystemRefusal.DirtyLog, refusal.Reason);
        Assert.Contains("Mount and unmount it once", refusal.Message, StringComparison.Ordinal);

        log.Span.Clear();
        Assert.Equal(FileSystemRefusal.DirtyLog, Refused(image).Reason);
    }

    /// <summary>A sector begins with the number of its round; a record's first with the magic number, and then that.</summary>
    private static uint Cycle(ReadOnlySpan<byte> sector) =>
        BinaryPrimitives.ReadUInt32BigEndian(sector) is 0xFEEDBABE ? BinaryPrimitives.ReadUInt32BigEndian(sector[4..]) : BinaryPrimitives.ReadUInt32BigEndian(sector);

    private static Memory<byte> LogOf(byte[] image)
    {
        ulong start = BinaryPrimitives.ReadUInt64BigEndian(image.AsSpan(48));
        int shift = image[124];
        uint groupBlocks = BinaryPrimitives.ReadUInt32BigEndian(image.AsSpan(84));
        int block = (int)(((start >> shift) * groupBlocks) + (start & ((1UL << shift) - 1)));
        return image.AsMemory(block * 4096, (int)BinaryPrimitives.ReadUInt32BigEndian(image.AsSpan(96)) * 4096);
    }

    [Fact]
    public void The_state_of_ext4_is_refused_by_name()
    {
        Assert.Equal(FileSystemRefusal.DirtyLog, Refused(Ext4(image => image[1024 + 96] |= 4)).Reason);
        Assert.Equal(FileSystemRefusal.UnsupportedFileSystem, Refused(Ext4(image => image[1024 + 96] |= 8)).Reason);
        Assert.Equal(FileSystemRefusal.NeedsRepair, Refused(Ext4(image => image[1024 + 58] |= 2)).Reason);
        Assert.Equal(FileSystemRefusal.DirtyLog, Refused(Ext4(image => image[1024 + 58] = 0)).Reason);
        Assert.Equal(FileSystemRefusal.DirtyLog, Refused(Ext4(image => image[1024 + 232] = 12)).Reason);
        Assert.Equal(FileSystemRefusal.DirtyLog, Refused(Ext4(image => image[1024 + 102] |= 1)).Reason);
        Assert.Equal(FileSystemRefusal.ExternalLog, Refused(Ext4(image => image.AsSpan(1024 + 224, 4).Clear())).Reason);
        var broken = SmallImage.Bytes("ext4");
        broken[1024 + 700] ^= 1;
        Assert.Equal(FileSystemRefusal.BadChecksum, Refused(broken).Reason);
        Assert.Equal(FileSystemRefusal.ImageTooShort, Refused(SmallImage.Bytes("ext4")[..^1024]).Reason);
    }

    [Fact]
    public void What_is_no_file_system_is_refused()
    {
        Assert.Equal(FileSystemRefusal.NoFileSystem, Refused([]).Reason);
        Assert.Equal(FileSystemRefusal.NoFileSystem, Refused(new byte[1 << 20]).Reason);
        var btrfs = new byte[1 << 20];
        "_BHRfS_M"u8.CopyTo(btrfs.AsSpan(65536 + 64));
        Assert.Equal(FileSystemRefusal.UnsupportedFileSystem, Refused(btrfs).Reason);
        Assert.Equal(FileSystemRefusal.ImageTooShort, Refused(Encoding.ASCII.GetBytes("XFSB")).Reason);
    }

    [Fact]
    public void A_file_of_ext4_that_lies_on_the_file_systems_own_blocks_is_refused()
    {
        // "large" of the ext2 image has its block numbers in the inode: the first is pointed at the superblock, the bitmaps, the inodes.
        var image = SmallImage.Bytes("ext2");
        using var system = FileSystemImage.Open(new MemoryImage(image));
        var node = system.Find("large");
        int inode = InodePlace(image, node.Status.Number);
        Assert.Equal((uint)(node.Extents[0].DeviceOffset / 1024), BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(inode + 40)));
        foreach (uint block in (uint[])[1, 2, BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(2048)), BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(2048 + 8)) + 3])
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(inode + 40), block);
            var refusal = Assert.Throws<FileSystemException>(() => system.Find("large").Extents);
            Assert.Equal(FileSystemRefusal.Damaged, refusal.Reason);
            Assert.Contains("own structures", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(0x10, StoreRefusal.Immutable)]
    [InlineData(0x20, StoreRefusal.Immutable)]
    [InlineData(0x4000, StoreRefusal.Journalled)]
    [InlineData(0x100000, StoreRefusal.Verity)]
    [InlineData(0x800, StoreRefusal.Encrypted)]
    public void A_flag_of_an_inode_that_forbids_stores_is_told(uint flag, StoreRefusal reason)
    {
        var image = SmallImage.Bytes("ext2");
        using var system = FileSystemImage.Open(new MemoryImage(image));
        int inode = InodePlace(image, system.Find("large").Status.Number);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(inode + 32), flag);
        Assert.Equal(reason, system.Find("large").Status.StoreRefusal);
        if (reason == StoreRefusal.Encrypted)
        {
            Assert.Equal(FileSystemRefusal.Encrypted, Assert.Throws<FileSystemException>(() => system.Find("large").Read(0, new byte[1])).Reason);
        }
    }

    private static int InodePlace(byte[] image, ulong number)
    {
        var super = image.AsSpan(1024);
        int perGroup = (int)BinaryPrimitives.ReadUInt32LittleEndian(super[40..]);
        int size = BinaryPrimitives.ReadUInt16LittleEndian(super[88..]);
        Assert.True((int)number <= perGroup, "the inode is in the first group");
        return ((int)BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(2048 + 8)) * 1024) + (((int)number - 1) * size);
    }
}
