using System.Buffers.Binary;
using Pando.FileSystems.Images;

namespace Pando.FileSystems.Ext4;

/// <summary>An inode of ext4 (struct ext4_inode), checked.</summary>
internal sealed class Ext4Inode
{
    private const int OldSize = 128;
    private const int BlockAt = 40;
    private const int BlockSize = 60;
    private const int ChecksumLowAt = 124;
    private const int ChecksumHighAt = 130;
    private const ulong RootNumber = 2;

    private readonly byte[] _all;

    private Ext4Inode(Ext4Superblock super, ulong number, byte[] all, uint seed)
    {
        _all = all;
        var bytes = new LittleEndianBytes(all, $"Ext4 inode {number}");
        Seed = seed;
        Flags = (Ext4InodeFlags)bytes.U32(32);
        ushort mode = bytes.U16(0);
        int kind = mode >> 12;
        ulong size = kind is (int)FileKind.File or (int)FileKind.Directory ? bytes.Wide(4, 108) : bytes.U32(4);
        int extra = ExtraSize;
        if (size > long.MaxValue)
        {
            throw FileSystemException.Damaged($"Ext4 inode {number}: {size} bytes.");
        }

        ulong blocks = bytes.U32(28) | ((ulong)bytes.U16(116) << 32);
        Status = new FileStatus
        {
            Number = number,
            Mode = mode,
            Links = bytes.U16(26),
            User = bytes.U16(2) | ((uint)bytes.U16(120) << 16),
            Group = bytes.U16(24) | ((uint)bytes.U16(122) << 16),
            Size = (long)size,
            Blocks = (long)blocks << (Flags.HasFlag(Ext4InodeFlags.HugeFile) ? super.BlockShift - 9 : 0),
            Device = kind is (int)FileKind.CharacterDevice or (int)FileKind.BlockDevice ? Device(bytes) : 0,
            Accessed = Time(bytes, 8, 140, extra),
            Changed = Time(bytes, 12, 132, extra),
            Modified = Time(bytes, 16, 136, extra),
            StoreRefusal = kind != (int)FileKind.File ? StoreRefusal.NotAFile
                : Flags.HasFlag(Ext4InodeFlags.Encrypted) ? StoreRefusal.Encrypted
                : Flags.HasFlag(Ext4InodeFlags.Verity) ? StoreRefusal.Verity
                : (Flags & (Ext4InodeFlags.Immutable | Ext4InodeFlags.Append)) != 0 ? StoreRefusal.Immutable
                : Flags.HasFlag(Ext4InodeFlags.Inline) ? StoreRefusal.Inline
                : Flags.HasFlag(Ext4InodeFlags.Journalled) ? StoreRefusal.Journalled
                : super.BlockSize != 4096 ? StoreRefusal.BlockSize
                : StoreRefusal.None,
        };
    }

    public FileStatus Status { get; }

    public Ext4InodeFlags Flags { get; }

    /// <summary>What checksums of its blocks begin with.</summary>
    public uint Seed { get; }

    /// <summary>60 bytes: the root of its extents, its block numbers, or the beginning of its contents.</summary>
    public ReadOnlyMemory<byte> Block => _all.AsMemory(BlockAt, BlockSize);

    /// <summary>What stands in the inode behind its fields: extended attributes.</summary>
    public ReadOnlyMemory<byte> Attributes => _all.Length > OldSize && OldSize + ExtraSize <= _all.Length ? _all.AsMemory(OldSize + ExtraSize) : default;

    private int ExtraSize => _all.Length > OldSize ? BinaryPrimitives.ReadUInt16LittleEndian(_all.AsSpan(OldSize)) : 0;

    /// <summary>Reads an inode by its number.</summary>
    public static Ext4Inode Read(Ext4Volume volume, ulong number)
    {
        var super = volume.Super;
        var name = $"Ext4 inode {number}";
        if (number == 0 || number > super.Inodes || (number < super.FirstInode && number != RootNumber))
        {
            throw FileSystemException.Damaged($"{name}: there is none of this number for files.");
        }

        var group = volume.Group((long)((number - 1) / super.GroupInodes));
        var all = new byte[super.InodeSize];
        volume.Image.Read(((long)group.InodeTable << super.BlockShift) + ((long)((number - 1) % super.GroupInodes) * super.InodeSize), all);
        var bytes = new LittleEndianBytes(all, name);
        int extra = all.Length > OldSize ? bytes.U16(OldSize) : 0;
        if (extra > all.Length - OldSize || extra % 4 != 0)
        {
            throw FileSystemException.Damaged($"{name}: {extra} bytes of further fields do not fit into it.");
        }

        uint seed = Crc32C.Update(Crc32C.Update(super.Seed, (uint)number), bytes.U32(100));
        if (super.HasChecksums && !IsIntact(bytes, seed, hasHigh: extra >= ChecksumHighAt + 2 - OldSize))
        {
            throw FileSystemException.BadChecksum(name);
        }

        return bytes.U16(0) != 0 && bytes.U16(26) != 0 ? new Ext4Inode(super, number, all, seed) : throw FileSystemException.Damaged($"{name} is free.");
    }

    private static bool IsIntact(LittleEndianBytes bytes, uint seed, bool hasHigh)
    {
        var all = bytes.All.ToArray();
        all.AsSpan(ChecksumLowAt, 2).Clear();
        if (hasHigh)
        {
            all.AsSpan(ChecksumHighAt, 2).Clear();
        }

        uint sum = Crc32C.Update(seed, all);
        return (ushort)sum == bytes.U16(ChecksumLowAt) && (!hasHigh || sum >> 16 == bytes.U16(ChecksumHighAt));
    }

    /// <summary>Old numbers stand in the first word, those of more bits in the second.</summary>
    private static uint Device(LittleEndianBytes bytes)
    {
        uint old = bytes.U32(BlockAt);
        return old != 0 ? old & 0xFFFF : bytes.U32(BlockAt + 4);
    }

    /// <summary>32 bits of seconds; with more fields two further bits of them and the nanoseconds.</summary>
    private static FileTime Time(LittleEndianBytes bytes, int at, int extraAt, int extraSize)
    {
        int seconds = (int)bytes.U32(at);
        if (extraAt + 4 - OldSize > extraSize)
        {
            return new FileTime(seconds, 0);
        }

        uint extra = bytes.U32(extraAt);
        return new FileTime(seconds + ((long)(extra & 3) << 32), extra >> 2);
    }
}
