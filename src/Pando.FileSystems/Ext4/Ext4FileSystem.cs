using Pando.FileSystems.Images;
using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Ext4;

/// <summary>ext4 (and ext2, ext3) whose journal is clean.</summary>
internal sealed class Ext4FileSystem : FileSystem
{
    private Ext4FileSystem(Ext4Volume volume)
        : base(volume.Image) => Volume = volume;

    public Ext4Volume Volume { get; }

    /// <inheritdoc/>
    public override FileSystemKind Kind => FileSystemKind.Ext4;

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
    public override ulong RootNumber => 2;

    public static Ext4FileSystem Open(ImageSource image)
    {
        var super = Ext4Superblock.Read(image);
        if (super.Length > image.Length)
        {
            throw new FileSystemException(FileSystemRefusal.ImageTooShort, $"{image.Name} has {image.Length} bytes, and the ext4 in it {super.Length}.");
        }

        var volume = new Ext4Volume(image, super);
        volume.ThrowIfMountedElsewhere();
        return new Ext4FileSystem(volume);
    }

    /// <inheritdoc/>
    public override FileNode Node(ulong number) => new Ext4Node(this, Ext4Inode.Read(Volume, number));
}
