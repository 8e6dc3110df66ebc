using Pando.Files;
using Pando.FileSystems.Images;
using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Ext4;

/// <summary>
/// Reads a directory block after block. One with an index by hashes has the same blocks of names; those of the index look like empty ones.
/// </summary>
internal sealed class Ext4Directory(Ext4Volume volume, Ext4Inode inode, string name)
{
    private const int EntryHeader = 8;
    private const int TailSize = 12;
    private const int IndexRootAt = 32; // behind "." and ".." and the root's own fields
    private const int IndexNodeAt = 8;
    private const int IndexEntry = 8;
    private const byte TailKind = 0xDE;

    public IEnumerable<DirectoryEntry> List(IReadOnlyList<PlacedExtent> extents) =>
        inode.Flags.HasFlag(Ext4InodeFlags.Inline) ? ReadInline() : ReadBlocks(extents);

    private IEnumerable<DirectoryEntry> ReadInline()
    {
        // The parent's number, then entries; and in the attribute more of them.
        var first = inode.Block[sizeof(uint)..];
        return Read(first.Span, $"{name} (in the inode)").Concat(Read(Ext4InlineData.Rest(inode, name).Span, $"{name} (in its attributes)"));
    }

    private IEnumerable<DirectoryEntry> ReadBlocks(IReadOnlyList<PlacedExtent> extents)
    {
        long size = volume.Super.BlockSize;
        var block = new byte[size];
        foreach (var extent in extents)
        {
            if (extent.State != ExtentState.Written)
            {
                throw FileSystemException.Damaged($"{name}: a part of the directory is not written.");
            }

            for (long done = 0; done < extent.Length && extent.FileOffset + done < inode.Status.Size; done += size)
            {
                volume.Image.Read(extent.DeviceOffset + done, block);
                foreach (var entry in ReadBlock(block, extent.FileOffset + done))
                {
                    yield return entry;
                }
            }
        }
    }

    private List<DirectoryEntry> ReadBlock(byte[] block, long offset)
    {
        var structure = $"{name}: its directory block at {offset}";
        var bytes = new LittleEndianBytes(block, structure);
        if (inode.Flags.HasFlag(Ext4InodeFlags.Indexed) && IndexAt(bytes, offset) is { } index)
        {
            CheckIndex(bytes, structure, index);
            return [];
        }

        int end = block.Length;
        if (volume.Super.HasChecksums)
        {
            end -= TailSize;
            bool hasTail = bytes.U32(end) == 0 && bytes.U16(end + 4) == TailSize && bytes.U8(end + 6) == 0 && bytes.U8(end + 7) == TailKind;
            if (!hasTail || Crc32C.Update(inode.Seed, block.AsSpan(0, end)) != bytes.U32(end + 8))
            {
                throw FileSystemException.BadChecksum(structure);
            }
        }

        return Read(block.AsSpan(0, end), structure);
    }

    /// <summary>Where the index stands in a block of it; null for a block of names.</summary>
    private static int? IndexAt(LittleEndianBytes bytes, long offset) =>
        offset == 0 ? IndexRootAt
        : bytes.U32(0) == 0 && Length(bytes.U16(4), bytes.Length) == bytes.Length ? IndexNodeAt
        : null;

    private void CheckIndex(LittleEndianBytes bytes, string structure, int at)
    {
        int limit = bytes.U16(at);
        int count = bytes.U16(at + 2);
        int tail = at + (limit * IndexEntry);
        if (count == 0 || count > limit || tail > bytes.Length)
        {
            throw FileSystemException.Damaged($"{structure}: an index of {count} entries, of {limit}.");
        }

        if (volume.Super.HasChecksums)
        {
            uint sum = Crc32C.Update(inode.Seed, bytes.Slice(0, at + (count * IndexEntry)));
            sum = Crc32C.Update(Crc32C.Update(sum, bytes.Slice(tail, sizeof(uint))), 0u);
            if (sum != bytes.U32(tail + sizeof(uint)))
            {
                throw FileSystemException.BadChecksum(structure);
            }
        }
    }

    private List<DirectoryEntry> Read(ReadOnlySpan<byte> block, string structure)
    {
        var bytes = new LittleEndianBytes(block, structure);
        var entries = new List<DirectoryEntry>();
        for (int at = 0; at < bytes.Length;)
        {
            int length = Length(bytes.U16(at + 4), volume.Super.BlockSize);
            int nameLength = bytes.U8(at + 6);
            if (length < EntryHeader + nameLength || length % 4 != 0 || length > bytes.Length - at || length < TailSize)
            {
                throw FileSystemException.Damaged($"{structure}: the entry at {at} has {length} bytes, and its name {nameLength}.");
            }

            uint number = bytes.U32(at);
            var entryName = bytes.Slice(at + EntryHeader, nameLength);
            if (number != 0 && !Names.IsDot(entryName) && !Names.IsDotDot(entryName))
            {
                entries.Add(Names.IsPossible(entryName)
                    ? new DirectoryEntry(entryName.ToArray(), number, Kind(bytes.U8(at + 7)))
                    : throw FileSystemException.Damaged($"{structure}: the entry at {at} has a name of {nameLength} bytes that no file can have."));
            }

            at += length;
        }

        return entries;
    }

    /// <summary>Lengths of blocks of 64 KiB do not fit into 16 bits; the two lowest, which are free, are their highest.</summary>
    private static int Length(ushort length, int blockSize) =>
        blockSize < 65536 ? length : length is 0 or ushort.MaxValue ? blockSize : (length & 65532) | ((length & 3) << 16);

    /// <summary>EXT4_FT_* of ext4.h. Without the feature "filetype" these bits are the name's length, and 0.</summary>
    private static FileKind Kind(byte type) => (type & 7) switch
    {
        1 => FileKind.File,
        2 => FileKind.Directory,
        3 => FileKind.CharacterDevice,
        4 => FileKind.BlockDevice,
        5 => FileKind.Pipe,
        6 => FileKind.Socket,
        7 => FileKind.Link,
        _ => FileKind.Unknown,
    };
}
