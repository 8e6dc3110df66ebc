using System.Text;
using Pando.FileSystems.Ext4;
using Pando.FileSystems.Images;
using Pando.FileSystems.Nodes;
using Pando.FileSystems.Xfs;

namespace Pando.FileSystems.Volumes;

/// <summary>
/// A file system in an image, by paths. The image is a stranger's: whatever stands in it ends in a value or in a
/// <see cref="FileSystemException"/>, in memory and time that the image's own size bounds. Safe for use by several threads.
/// </summary>
public sealed class FileSystemImage : IDisposable
{
    private const uint BtrfsPlace = 65536 + 64;
    private readonly FileSystem _system;

    private FileSystemImage(FileSystem system)
    {
        _system = system;
        Root = system.Node(system.RootNumber);
        if (Root.Status.Kind != FileKind.Directory)
        {
            throw FileSystemException.Damaged($"{system.Image.Name}: the root is no directory.");
        }
    }

    /// <summary>Which file system it is.</summary>
    public FileSystemKind Kind => _system.Kind;

    /// <summary>Bytes of a block.</summary>
    public int BlockSize => _system.BlockSize;

    /// <summary>Bytes of the file system.</summary>
    public long Length => _system.Length;

    /// <summary>Bytes of the image, which may be more.</summary>
    public long ImageLength => _system.Image.Length;

    /// <summary>The name that it was given; empty if none.</summary>
    public string Label => _system.Label;

    /// <summary>The identity that it was made with.</summary>
    public Guid Identity => _system.Identity;

    /// <summary>The features that say how it is laid out, by the names that mkfs gives them.</summary>
    public IReadOnlyList<string> Features => _system.Features;

    /// <summary>Where it is read from.</summary>
    public ImageSource Image => _system.Image;

    /// <summary>The root directory.</summary>
    public FileNode Root { get; }

    /// <summary>Opens an image of the host.</summary>
    /// <exception cref="FileSystemException">It cannot be opened, or not be read: the reason says why.</exception>
    public static FileSystemImage Open(string path, ImageAccess access = ImageAccess.Read)
    {
        var image = HostImage.Open(path, access);
        try
        {
            return Open(image);
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    /// <summary>Opens an image, which then belongs to the result; on failure it stays the caller's.</summary>
    /// <exception cref="FileSystemException">It cannot be read: the reason says why.</exception>
    public static FileSystemImage Open(ImageSource image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return new FileSystemImage(
            Has(image, 0, "XFSB"u8) ? XfsFileSystem.Open(image)
            : Has(image, Ext4Superblock.Place + Ext4Superblock.MagicAt, [Ext4Superblock.Magic & 0xFF, Ext4Superblock.Magic >> 8]) ? Ext4FileSystem.Open(image)
            : Has(image, BtrfsPlace, "_BHRfS_M"u8) ? throw new FileSystemException(FileSystemRefusal.UnsupportedFileSystem, $"{image.Name} is a btrfs, whose extents are not where its files say. XFS and ext4 are read.")
            : throw new FileSystemException(FileSystemRefusal.NoFileSystem, $"{image.Name} begins with no file system that is known. XFS and ext4 are read; of a whole disk, give the partition."));
    }

    /// <summary>Reads an inode by its number.</summary>
    /// <exception cref="FileSystemException">There is none of this number, or it is damaged.</exception>
    public FileNode Node(ulong number) => _system.Node(number);

    /// <summary>What a path leads to. Every path begins at the root, and nothing leads out of it.</summary>
    /// <param name="path">Names between slashes, in UTF-8.</param>
    /// <param name="followsLast">Whether a symbolic link at the end is followed.</param>
    /// <exception cref="FileSystemException">There is nothing, or what leads there is damaged.</exception>
    public FileNode Find(string path, bool followsLast = true) => Find(Encoding.UTF8.GetBytes(path), followsLast);

    /// <inheritdoc cref="Find(string, bool)"/>
    public FileNode Find(ReadOnlySpan<byte> path, bool followsLast = true) =>
        TryFind(path, out var refusal, followsLast)
        ?? throw new FileSystemException(refusal, $"{Image.Name}: {Encoding.UTF8.GetString(path)}: {Words(refusal)}.");

    /// <summary>The same, where nothing there is no error: <see cref="FileSystemRefusal.NotFound"/>, <see cref="FileSystemRefusal.NotADirectory"/>,
    /// <see cref="FileSystemRefusal.TooManyLinks"/> and <see cref="FileSystemRefusal.NameTooLong"/> are values here.</summary>
    /// <returns>Null where there is nothing.</returns>
    /// <exception cref="FileSystemException">What leads there is damaged.</exception>
    public FileNode? TryFind(ReadOnlySpan<byte> path, out FileSystemRefusal refusal, bool followsLast = true) => new PathWalk(_system, Root).Find(path, followsLast, out refusal);

    /// <summary>Everything below a directory, each inode's directory once, in no order.</summary>
    /// <exception cref="FileSystemException">Something is damaged: what was not visited yet is not.</exception>
    public IEnumerable<FoundFile> Walk(FileNode directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        return TreeWalk.Below(_system, directory);
    }

    /// <summary>Closes the image.</summary>
    public void Dispose() => Image.Dispose();

    private static string Words(FileSystemRefusal refusal) => refusal switch
    {
        FileSystemRefusal.NotFound => "there is nothing of this name",
        FileSystemRefusal.NotADirectory => "a name on the way is no directory",
        FileSystemRefusal.TooManyLinks => "too many symbolic links",
        _ => "the path or a name is too long",
    };

    private static bool Has(ImageSource image, long at, ReadOnlySpan<byte> magic)
    {
        if (at > image.Length - magic.Length)
        {
            return false;
        }

        Span<byte> found = stackalloc byte[8];
        found = found[..magic.Length];
        image.Read(at, found);
        return found.SequenceEqual(magic);
    }
}
