using Pando.FileSystems.Images;

namespace Pando.FileSystems.Nodes;

/// <summary>A file system in an image, by numbers of inodes. Safe for use by several threads.</summary>
public abstract class FileSystem(ImageSource image)
{
    /// <summary>Which one.</summary>
    public abstract FileSystemKind Kind { get; }

    /// <summary>Bytes of a block: a power of two.</summary>
    public abstract int BlockSize { get; }

    /// <summary>Bytes of the file system: no more than the image has.</summary>
    public abstract long Length { get; }

    /// <summary>The name that it was given.</summary>
    public abstract string Label { get; }

    /// <summary>The identity that it was made with.</summary>
    public abstract Guid Identity { get; }

    /// <summary>The features that say how it is laid out, by the names that mkfs gives them.</summary>
    public abstract IReadOnlyList<string> Features { get; }

    /// <summary>The number of the root's inode.</summary>
    public abstract ulong RootNumber { get; }

    /// <summary>Where it is read from.</summary>
    public ImageSource Image { get; } = image;

    /// <summary>Reads an inode.</summary>
    /// <exception cref="FileSystemException">There is none of this number, or it is damaged.</exception>
    public abstract FileNode Node(ulong number);
}
