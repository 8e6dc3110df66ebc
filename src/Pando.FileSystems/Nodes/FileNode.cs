using Pando.Files;

namespace Pando.FileSystems.Nodes;

/// <summary>An inode that was read. It stays as it was read, whatever becomes of the image. Safe for use by several threads.</summary>
public abstract class FileNode
{
    private IReadOnlyList<PlacedExtent>? _extents;

    /// <summary>What stat(2) would say.</summary>
    public abstract FileStatus Status { get; }

    /// <summary>
    /// Where it lies, in the order of the file, by bytes: pieces that follow each other in file, device and state are one. What is
    /// not in the list is a hole. Empty if the contents stand in the inode. Past the end of the file there may be more.
    /// </summary>
    /// <exception cref="FileSystemException">What leads to the extents is damaged, or the contents are not in the image.</exception>
    public IReadOnlyList<PlacedExtent> Extents => _extents ??= ReadExtents();

    /// <summary>Reads contents as read(2) would: fewer bytes than asked for only at the end of the file, 0 past it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative.</exception>
    /// <exception cref="FileSystemException">It is a directory, encrypted or damaged, or the image cannot be read.</exception>
    public int Read(long offset, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ThrowIfUnreadable();
        long left = Status.Size - offset;
        if (left <= 0)
        {
            return 0;
        }

        buffer = buffer[..(int)Math.Min(left, buffer.Length)];
        if (InlineContents is { } inline)
        {
            // An inode may say that it has more than it holds: the rest reads as zeroes.
            var there = offset < inline.Length ? inline.Span[(int)offset..] : default;
            there = there[..Math.Min(there.Length, buffer.Length)];
            there.CopyTo(buffer);
            buffer[there.Length..].Clear();
            return buffer.Length;
        }

        ReadExtents(offset, buffer);
        return buffer.Length;
    }

    /// <summary>Where a symbolic link leads, as it stands there: 1 to 4,095 bytes.</summary>
    /// <exception cref="FileSystemException">It is no link (<see cref="FileSystemRefusal.NotAFile"/>), or damaged.</exception>
    public abstract byte[] ReadLink();

    /// <summary>The names in a directory but for "." and "..", in no order, read as they are asked for.</summary>
    /// <exception cref="FileSystemException">It is no directory (<see cref="FileSystemRefusal.NotADirectory"/>), encrypted, or damaged.</exception>
    public abstract IEnumerable<DirectoryEntry> List();

    /// <summary>Contents that stand in the inode; null if they lie in extents.</summary>
    protected internal abstract ReadOnlyMemory<byte>? InlineContents { get; }

    /// <summary>The file system that it belongs to.</summary>
    protected abstract FileSystem System { get; }

    /// <summary>How the inode is called in messages.</summary>
    internal string Name => $"{System.Kind} inode {Status.Number}";

    /// <summary>Reads the extents.</summary>
    protected abstract IReadOnlyList<PlacedExtent> ReadExtents();

    /// <summary>Refuses contents that are not to be had.</summary>
    protected virtual void ThrowIfUnreadable()
    {
        if (Status.Kind is not FileKind.File)
        {
            throw new FileSystemException(FileSystemRefusal.NotAFile, $"{Name} is no ordinary file ({Status.Kind}).");
        }

        if (Status.StoreRefusal is StoreRefusal.Encrypted or StoreRefusal.Realtime)
        {
            throw Status.StoreRefusal == StoreRefusal.Encrypted
                ? new FileSystemException(FileSystemRefusal.Encrypted, $"{Name} is encrypted.")
                : new FileSystemException(FileSystemRefusal.Realtime, $"{Name} lies on the realtime device, which is not in the image.");
        }
    }

    /// <summary>Refuses all but directories.</summary>
    protected void ThrowIfNoDirectory()
    {
        if (Status.Kind != FileKind.Directory)
        {
            throw new FileSystemException(FileSystemRefusal.NotADirectory, $"{Name} is no directory ({Status.Kind}).");
        }
    }

    /// <summary>Refuses all but symbolic links of a possible length.</summary>
    protected void ThrowIfNoLink()
    {
        if (Status.Kind != FileKind.Link)
        {
            throw new FileSystemException(FileSystemRefusal.NotAFile, $"{Name} is no symbolic link ({Status.Kind}).");
        }

        if (Status.Size is <= 0 or >= Names.LongestPath)
        {
            throw FileSystemException.Damaged($"{Name}: a symbolic link of {Status.Size} bytes.");
        }
    }

    /// <summary>A link's target, which goes no further than its first zero.</summary>
    protected byte[] LinkTarget(ReadOnlySpan<byte> bytes) =>
        bytes.Contains((byte)0) ? throw FileSystemException.Damaged($"{Name}: the symbolic link's target has a zero in it.") : bytes.ToArray();

    private void ReadExtents(long offset, Span<byte> buffer)
    {
        var list = new ExtentList(Extents);
        while (!buffer.IsEmpty)
        {
            var extent = list.FirstFrom(offset);
            bool isHere = extent.Length > 0 && extent.FileOffset <= offset;
            long length = extent.Length == 0 ? buffer.Length : isHere ? extent.FileEnd - offset : extent.FileOffset - offset;
            var part = buffer[..(int)Math.Min(length, buffer.Length)];
            if (isHere && extent.State is ExtentState.Written or ExtentState.Shared)
            {
                System.Image.Read(extent.DeviceOffset + (offset - extent.FileOffset), part);
            }
            else
            {
                part.Clear();
            }

            offset += part.Length;
            buffer = buffer[part.Length..];
        }
    }
}
