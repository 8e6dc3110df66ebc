using Pando.FileSystems.Images;
using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Xfs;

/// <summary>XFS of version 5, whose log is clean.</summary>
internal sealed class XfsFileSystem : FileSystem
{
    private XfsFileSystem(XfsVolume volume)
        : base(volume.Image)
    {
        Volume = volume;
        Refcounts = volume.Super.HasRefcounts ? new XfsRefcounts(volume) : null;
    }

    public XfsVolume Volume { get; }

    /// <summary>Null if nothing can be shared.</summary>
    public XfsRefcounts? Refcounts { get; }

    /// <inheritdoc/>
    public override FileSystemKind Kind => FileSystemKind.Xfs;

    /// <inheritdoc/>
    public override int BlockSize => Volume.Super.BlockSize;

    /// <inheritdoc/>
    public override long Length => Volume.Super.Length;

    /// <inheritdoc/>
    public override string Label => Volume.Super.Label;

    /// <inheritdoc/>
    public override Guid Identity => Volume.Super.Identity;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Features => Volume.Super.Features;

    /// <inheritdoc/>
    public override ulong RootNumber => Volume.Super.RootNumber;

    public static XfsFileSystem Open(ImageSource image)
    {
        var super = XfsSuperblock.Read(image);
        if (super.Length > image.Length)
        {
            throw new FileSystemException(FileSystemRefusal.ImageTooShort, $"{image.Name} has {image.Length} bytes, and the XFS in it {super.Length}.");
        }

        var volume = new XfsVolume(image, super);
        XfsLog.ThrowIfDirty(volume);
        return new XfsFileSystem(volume);
    }

    /// <inheritdoc/>
    public override FileNode Node(ulong number) => new XfsNode(this, XfsInode.Read(Volume, number));
}
