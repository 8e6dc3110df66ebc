using Pando.FileSystems.Images;

namespace Pando.FileSystems.Xfs;

/// <summary>Reads blocks of an XFS by number and checks what they say of themselves.</summary>
internal sealed class XfsVolume(ImageSource image, XfsSuperblock super)
{
    private const int BasicBlockShift = 9; // disk addresses count in 512 bytes

    public ImageSource Image { get; } = image;

    public XfsSuperblock Super { get; } = super;

    /// <summary>Where blocks that a structure points at lie, in bytes; they must all be in one group.</summary>
    public long Locate(ulong block, ulong count, string structure)
    {
        ulong group = block >> Super.GroupShift;
        ulong inGroup = block & ((1UL << Super.GroupShift) - 1);
        return Super.IsInGroup(group, inGroup, count)
            ? Super.ByteOffset(group, inGroup)
            : throw FileSystemException.Damaged($"{structure} points at {count} blocks at block {block} (group {group}), which the file system does not have.");
    }

    /// <summary>Refuses a structure that has another checksum, identity or address than it should. Offsets are in the structure.</summary>
    public void Check(BigEndianBytes bytes, string structure, int checksumAt, int identityAt, int addressAt, long address)
    {
        if (~Crc32C.Without(Crc32C.Start, bytes.All, checksumAt) != bytes.LittleU32(checksumAt))
        {
            throw FileSystemException.BadChecksum(structure);
        }

        if (new Guid(bytes.Slice(identityAt, 16), bigEndian: true) != Super.MetadataIdentity)
        {
            throw FileSystemException.Damaged($"{structure} belongs to another file system.");
        }

        if (bytes.U64(addressAt) != (ulong)address >> BasicBlockShift)
        {
            throw FileSystemException.Damaged($"{structure} says that it lies at sector {bytes.U64(addressAt)}, and it is at {address >> BasicBlockShift}.");
        }
    }
}
