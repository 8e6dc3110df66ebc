using Pando.Files;
using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Ext4;

/// <summary>An inode of ext4 as a node.</summary>
internal sealed class Ext4Node(Ext4FileSystem system, Ext4Inode inode) : FileNode
{
    /// <inheritdoc/>
    public override FileStatus Status => inode.Status;

    /// <inheritdoc/>
    // A plain null would become an empty memory here, not none.
    protected internal override ReadOnlyMemory<byte>? InlineContents => inode.Flags.HasFlag(Ext4InodeFlags.Inline) ? Ext4InlineData.All(inode, Name) : (ReadOnlyMemory<byte>?)null;

    /// <inheritdoc/>
    protected override FileSystem System => system;

    private bool HasFastTarget => Status.Size < inode.Block.Length && (inode.Flags & (Ext4InodeFlags.Extents | Ext4InodeFlags.Inline)) == 0;

    /// <inheritdoc/>
    public override IEnumerable<DirectoryEntry> List()
    {
        ThrowIfNoDirectory();
        ThrowIfEncrypted();
        return new Ext4Directory(system.Volume, inode, Name).List(Extents);
    }

    /// <inheritdoc/>
    public override byte[] ReadLink()
    {
        ThrowIfNoLink();
        ThrowIfEncrypted();
        int size = (int)Status.Size;
        if (HasFastTarget)
        {
            return LinkTarget(inode.Block.Span[..size]);
        }

        if (InlineContents is { } inline)
        {
            return LinkTarget(inline.Span);
        }

        var extents = Extents;
        if (extents.Count == 0 || extents[0].FileOffset != 0 || extents[0].Length < size || extents[0].State != ExtentState.Written)
        {
            throw FileSystemException.Damaged($"{Name}: the symbolic link's target of {size} bytes is not there.");
        }

        var target = new byte[size];
        system.Image.Read(extents[0].DeviceOffset, target);
        return LinkTarget(target);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<PlacedExtent> ReadExtents()
    {
        bool hasBlocks = Status.Kind is FileKind.File or FileKind.Directory || (Status.Kind == FileKind.Link && !HasFastTarget);
        return hasBlocks && !inode.Flags.HasFlag(Ext4InodeFlags.Inline) ? Ext4Extents.Read(system.Volume, inode) : [];
    }

    private void ThrowIfEncrypted()
    {
        if (inode.Flags.HasFlag(Ext4InodeFlags.Encrypted))
        {
            throw new FileSystemException(FileSystemRefusal.Encrypted, $"{Name}: its names are encrypted.");
        }
    }
}
