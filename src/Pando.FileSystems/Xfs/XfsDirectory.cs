using Pando.Files;
using Pando.FileSystems.Images;
using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Xfs;

/// <summary>
/// Reads a directory: in the inode (short form), or its data blocks one after the other. Those hold every name in all other forms
/// (block, leaf, node, B+tree); what comes at 32 GiB and above is the index by hashes, which a listing does not need.
/// </summary>
internal sealed class XfsDirectory(XfsVolume volume, XfsInode inode, string name)
{
    private const uint BlockMagic = 0x58444233; // "XDB3": one block, with the index at its end
    private const uint DataMagic = 0x58444433; // "XDD3"
    private const int DataHeader = 64;
    private const int TailSize = 8;
    private const int IndexEntry = 8;
    private const ushort FreeTag = 0xFFFF;
    private const long IndexStart = 32L << 30;

    public IEnumerable<DirectoryEntry> List(IReadOnlyList<PlacedExtent> extents) =>
        inode.Form switch
        {
            XfsForm.Local => ReadShort(),
            XfsForm.Extents or XfsForm.Tree => ReadBlocks(extents),
            _ => throw FileSystemException.Damaged($"{name}: a directory of form {(int)inode.Form}."),
        };

    private List<DirectoryEntry> ReadShort()
    {
        if (inode.Status.Size > inode.Fork.Length)
        {
            throw FileSystemException.Damaged($"{name}: {inode.Status.Size} bytes do not fit into it.");
        }

        var bytes = new BigEndianBytes(inode.Fork.Span[..(int)inode.Status.Size], name);
        int numberSize = bytes.U8(1) > 0 ? sizeof(ulong) : sizeof(uint);
        int typeSize = volume.Super.Has(XfsFeatures.FileTypes) ? 1 : 0;
        var entries = new List<DirectoryEntry>();
        int at = 2 + numberSize; // the parent's number
        for (int i = 0; i < bytes.U8(0); i++)
        {
            int length = bytes.U8(at);
            at += 3; // with the offset that it would have in a block
            var entryName = bytes.Slice(at, length);
            var kind = typeSize > 0 ? Kind(bytes.U8(at + length)) : FileKind.Unknown;
            at += length + typeSize;
            entries.Add(Entry(entryName, numberSize == sizeof(ulong) ? bytes.U64(at) : bytes.U32(at), kind));
            at += numberSize;
        }

        return at == bytes.Length ? entries : throw FileSystemException.Damaged($"{name}: its entries take {at} bytes of {bytes.Length}.");
    }

    private IEnumerable<DirectoryEntry> ReadBlocks(IReadOnlyList<PlacedExtent> extents)
    {
        long size = 1L << (volume.Super.BlockShift + volume.Super.DirectoryShift);
        var list = new ExtentList(extents);
        for (long at = 0; list.FirstFrom(at) is { Length: > 0 } extent && extent.FileOffset < IndexStart; at += size)
        {
            at = Math.Max(at, extent.FileOffset & -size);
            foreach (var entry in ReadBlock(at, Block(list, at, (int)size), list.FirstFrom(at).DeviceOffset + (at - list.FirstFrom(at).FileOffset)))
            {
                yield return entry;
            }
        }
    }

    /// <summary>A directory block, whose file system blocks may lie apart.</summary>
    private byte[] Block(ExtentList list, long at, int size)
    {
        var block = new byte[size];
        for (int done = 0; done < size;)
        {
            var extent = list.FirstFrom(at + done);
            if (extent.Length == 0 || extent.FileOffset > at + done || extent.State != ExtentState.Written)
            {
                throw FileSystemException.Damaged($"{name}: the directory block at {at} has a hole.");
            }

            int length = (int)Math.Min(size - done, extent.FileEnd - at - done);
            volume.Image.Read(extent.DeviceOffset + (at + done - extent.FileOffset), block.AsSpan(done, length));
            done += length;
        }

        return block;
    }

    private List<DirectoryEntry> ReadBlock(long offset, byte[] block, long place)
    {
        var structure = $"{name}: its directory block at {offset}";
        var bytes = new BigEndianBytes(block, structure);
        uint magic = bytes.U32(0);
        if (magic is not (BlockMagic or DataMagic))
        {
            throw FileSystemException.Damaged($"{structure} is none.");
        }

        volume.Check(bytes, structure, checksumAt: 4, identityAt: 24, addressAt: 8, place);
        if (bytes.U64(40) != inode.Status.Number)
        {
            throw FileSystemException.Damaged($"{structure} is of inode {bytes.U64(40)}.");
        }

        int end = block.Length;
        if (magic == BlockMagic)
        {
            uint indexed = bytes.U32(end - TailSize);
            end = indexed <= (end - TailSize - DataHeader) / IndexEntry
                ? end - TailSize - ((int)indexed * IndexEntry)
                : throw FileSystemException.Damaged($"{structure} has an index of {indexed} entries.");
        }

        int typeSize = volume.Super.Has(XfsFeatures.FileTypes) ? 1 : 0;
        var entries = new List<DirectoryEntry>();
        for (int at = DataHeader; at < end;)
        {
            int length;
            if (bytes.U16(at) == FreeTag)
            {
                length = bytes.U16(at + 2);
            }
            else
            {
                int nameLength = bytes.U8(at + 8);
                length = (8 + 1 + nameLength + typeSize + 2 + 7) & ~7;
                var entryName = bytes.Slice(at + 9, nameLength);
                if (!Names.IsDot(entryName) && !Names.IsDotDot(entryName))
                {
                    entries.Add(Entry(entryName, bytes.U64(at), typeSize > 0 ? Kind(bytes.U8(at + 9 + nameLength)) : FileKind.Unknown));
                }
            }

            // Every piece ends with its own place.
            if (length < 16 && !(length == 8 && bytes.U16(at) == FreeTag) || length % 8 != 0 || length > end - at || bytes.U16(at + length - 2) != at)
            {
                throw FileSystemException.Damaged($"{structure}: the piece at {at} has {length} bytes, or another place at its end.");
            }

            at += length;
        }

        return entries;
    }

    private DirectoryEntry Entry(ReadOnlySpan<byte> entryName, ulong number, FileKind kind) =>
        Names.IsPossible(entryName) && !Names.IsDot(entryName) && !Names.IsDotDot(entryName)
            ? new DirectoryEntry(entryName.ToArray(), number, kind)
            : throw FileSystemException.Damaged($"{name}: an entry has a name of {entryName.Length} bytes that no file can have.");

    /// <summary>XFS_DIR3_FT_* of xfs_da_format.h.</summary>
    private static FileKind Kind(byte type) => type switch
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
