using Pando.Files;
using Pando.FileSystems.Images;
using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Xfs;

/// <summary>An inode of XFS as a node.</summary>
internal sealed class XfsNode(XfsFileSystem system, XfsInode inode) : FileNode
{
    private const uint LinkMagic = 0x58534c4d; // "XSLM"
    private const int LinkHeader = 56;

    /// <inheritdoc/>
    public override FileStatus Status => inode.Status;

    /// <inheritdoc/>
    protected internal override ReadOnlyMemory<byte>? InlineContents => null; // XFS keeps no file's contents in its inode

    /// <inheritdoc/>
    protected override FileSystem System => system;

    private XfsVolume Volume => system.Volume;

    /// <inheritdoc/>
    public override IEnumerable<DirectoryEntry> List()
    {
        ThrowIfNoDirectory();
        return new XfsDirectory(Volume, inode, Name).List(inode.Form == XfsForm.Local ? [] : Extents);
    }

    /// <inheritdoc/>
    public override byte[] ReadLink()
    {
        ThrowIfNoLink();
        int size = (int)Status.Size;
        if (inode.Form == XfsForm.Local)
        {
            return size <= inode.Fork.Length ? LinkTarget(inode.Fork.Span[..size]) : throw FileSystemException.Damaged($"{Name}: {size} bytes do not fit into it.");
        }

        // The target stands in as many blocks as it needs, each with a header; those of one extent have one header.
        var target = new byte[size];
        int done = 0;
        foreach (var extent in Extents)
        {
            if (done == size)
            {
                break;
            }

            done += ReadLinkPart(extent, target, done);
        }

        return done == size ? LinkTarget(target) : throw FileSystemException.Damaged($"{Name}: the symbolic link ends after {done} bytes of {size}.");
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<PlacedExtent> ReadExtents() => inode.IsRealtime
        ? throw new FileSystemException(FileSystemRefusal.Realtime, $"{Name} lies on the realtime device, which is not in the image.")
        : XfsExtents.Read(Volume, inode, Status.Kind == FileKind.File ? system.Refcounts : null);

    private int ReadLinkPart(PlacedExtent extent, byte[] target, int done)
    {
        var structure = $"{Name}: its target at {done}";
        if (extent.State != ExtentState.Written)
        {
            throw FileSystemException.Damaged($"{structure} is not written.");
        }

        // A target has no more than 1,024 bytes: not all of a long extent is read.
        var all = new byte[Math.Min(extent.Length, 2L * Names.LongestPath + Volume.Super.BlockSize) / Volume.Super.BlockSize * Volume.Super.BlockSize];
        Volume.Image.Read(extent.DeviceOffset, all);
        var bytes = new BigEndianBytes(all, structure);
        if (bytes.U32(0) != LinkMagic)
        {
            throw FileSystemException.Damaged($"{structure} is none of a symbolic link.");
        }

        Volume.Check(bytes, structure, checksumAt: 12, identityAt: 16, addressAt: 40, extent.DeviceOffset);
        uint length = bytes.U32(8);
        if (bytes.U64(32) != Status.Number || bytes.U32(4) != done || length == 0 || length > target.Length - done)
        {
            throw FileSystemException.Damaged($"{structure} is of inode {bytes.U64(32)}, at {bytes.U32(4)}, with {length} bytes.");
        }

        bytes.Slice(LinkHeader, (int)length).CopyTo(target.AsSpan(done));
        return (int)length;
    }
}
