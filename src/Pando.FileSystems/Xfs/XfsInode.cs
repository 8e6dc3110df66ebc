using Pando.FileSystems.Images;

namespace Pando.FileSystems.Xfs;

/// <summary>An inode of XFS (struct xfs_dinode, version 3), checked.</summary>
internal sealed class XfsInode
{
    public const int Core = 176;
    private const ushort Magic = 0x494e; // "IN"
    private const int ChecksumAt = 100;
    private const ushort RealtimeFlag = 1 << 0;
    private const ushort ImmutableFlag = 1 << 3;
    private const ushort AppendFlag = 1 << 4;
    private const ulong BigTimeFlag = 1 << 3;
    private const ulong ManyExtentsFlag = 1 << 4;
    private const ulong NanosecondsOfSecond = 1_000_000_000;

    private XfsInode(XfsSuperblock super, ulong number, string name, byte[] all)
    {
        var bytes = new BigEndianBytes(all, name);
        ushort mode = bytes.U16(2);
        ulong flags2 = bytes.U64(120);
        ushort flags = bytes.U16(90);
        ulong size = bytes.U64(56);
        bool many = (flags2 & ManyExtentsFlag) != 0;
        Form = (XfsForm)bytes.U8(5);
        ExtentCount = many ? bytes.U64(24) : bytes.U32(76);
        int forkEnd = bytes.U8(82) == 0 ? all.Length - Core : bytes.U8(82) * 8;
        if (forkEnd > all.Length - Core)
        {
            throw FileSystemException.Damaged($"{name}: its attributes begin at {forkEnd}, past its end.");
        }

        if (size > long.MaxValue || (many && !super.Has(XfsFeatures.ManyExtents)) || ((flags2 & BigTimeFlag) != 0 && !super.Has(XfsFeatures.BigTime)))
        {
            throw FileSystemException.Damaged($"{name}: {size} bytes, flags 0x{flags2:x}.");
        }

        Fork = all.AsMemory(Core, forkEnd);
        FileTime Time(int at) => (flags2 & BigTimeFlag) != 0 ? BigTime(U64(all, at)) : new FileTime((int)(U64(all, at) >> 32), (uint)U64(all, at));
        Status = new FileStatus
        {
            Number = number,
            Mode = mode,
            Links = bytes.U32(16),
            User = bytes.U32(8),
            Group = bytes.U32(12),
            Size = (long)size,
            Blocks = (long)Math.Min(bytes.U64(64), (ulong)(long.MaxValue >> 7)) << (super.BlockShift - 9),
            Device = Form == XfsForm.Device ? Linux32(bytes.U32(Core)) : 0,
            Accessed = Time(32),
            Modified = Time(40),
            Changed = Time(48),
            StoreRefusal = mode >> 12 != (int)FileKind.File ? StoreRefusal.NotAFile
                : (flags & RealtimeFlag) != 0 ? StoreRefusal.Realtime
                : (flags & (ImmutableFlag | AppendFlag)) != 0 ? StoreRefusal.Immutable
                : super.BlockSize != 4096 ? StoreRefusal.BlockSize
                : StoreRefusal.None,
        };
        IsRealtime = (flags & RealtimeFlag) != 0 && mode >> 12 == (int)FileKind.File;
    }

    public FileStatus Status { get; }

    public XfsForm Form { get; }

    /// <summary>How many extents it says that it has.</summary>
    public ulong ExtentCount { get; }

    public bool IsRealtime { get; }

    /// <summary>What stands in the inode of its contents or its extents.</summary>
    public ReadOnlyMemory<byte> Fork { get; }

    /// <summary>Reads an inode by its number, which says where it lies.</summary>
    public static XfsInode Read(XfsVolume volume, ulong number)
    {
        var super = volume.Super;
        var name = $"Xfs inode {number}";
        ulong group = number >> (super.GroupShift + super.InodeShift);
        ulong block = (number >> super.InodeShift) & ((1UL << super.GroupShift) - 1);
        int index = (int)(number & ((1UL << super.InodeShift) - 1));
        if (!super.IsInGroup(group, block, 1))
        {
            throw FileSystemException.Damaged($"{name} lies outside of the file system.");
        }

        var all = new byte[super.InodeSize];
        volume.Image.Read(super.ByteOffset(group, block) + ((long)index * super.InodeSize), all);
        var bytes = new BigEndianBytes(all, name);
        if (bytes.U16(0) != Magic)
        {
            throw FileSystemException.Damaged($"{name}: no inode is there.");
        }

        if (~Crc32C.Without(Crc32C.Start, all, ChecksumAt) != bytes.LittleU32(ChecksumAt))
        {
            throw FileSystemException.BadChecksum(name);
        }

        if (bytes.U8(4) != 3 || bytes.U64(152) != number || new Guid(bytes.Slice(160, 16), bigEndian: true) != super.MetadataIdentity)
        {
            throw FileSystemException.Damaged($"{name}: it says that it is inode {bytes.U64(152)}, version {bytes.U8(4)}, or belongs to another file system.");
        }

        return bytes.U16(2) != 0 ? new XfsInode(super, number, name, all) : throw FileSystemException.Damaged($"{name} is free.");
    }

    /// <summary>sysv_encode_dev to Linux's dev_t: 14 bits of major number, 18 of minor.</summary>
    private static uint Linux32(uint device) => ((device >> 18) << 8) | (device & 0xFF) | ((device & 0x3FF00) << 12);

    private static FileTime BigTime(ulong time) => new((long)(time / NanosecondsOfSecond) + int.MinValue, (uint)(time % NanosecondsOfSecond));

    private static ulong U64(byte[] all, int at) => System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(all.AsSpan(at));
}
