using Pando.FileSystems;
using Pando.FileSystems.Images;
using Pando.FileSystems.Volumes;
using Pando.Linux.Proc;
using Pando.Linux.Text;

namespace Pando.Cli.FileMaps;

/// <summary>Finds the files of an image, or asks the kernel about mounted ones.</summary>
internal static class FilesReader
{
    private static readonly EnumerationOptions Below = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };

    /// <summary>Reads what the arguments name.</summary>
    /// <param name="source">An image, a block device, or a mounted file or directory.</param>
    /// <param name="path">A file or directory in the image; null for all.</param>
    /// <param name="isMounted">Ask the kernel, even if the file looks like an image.</param>
    /// <exception cref="FileSystemException">The image cannot be read.</exception>
    /// <exception cref="IOException">The kernel does not tell.</exception>
    public static FilesReport Read(string source, string? path, bool isMounted)
    {
        if (!isMounted && !Directory.Exists(source))
        {
            try
            {
                using var image = FileSystemImage.Open(source);
                return ReadImage(image, path);
            }
            catch (FileSystemException e) when (e.Reason == FileSystemRefusal.NoFileSystem && path is null && File.Exists(source))
            {
                // An ordinary file, then: it may lie on DAX itself.
            }
        }

        return path is null
            ? ReadMounted(source)
            : throw new FileSystemException(FileSystemRefusal.NoFileSystem, $"A PATH goes with an image. Of a mounted file system, name the file itself: pando files {Path.Combine(source, path.TrimStart('/'))}");
    }

    private static FilesReport ReadImage(FileSystemImage image, string? path)
    {
        var found = path is null ? image.Root : image.Find(path);
        bool isOne = found.Status.Kind == FileKind.File;
        var nodes = found.Status.Kind switch
        {
            FileKind.File => [new FoundFile(System.Text.Encoding.UTF8.GetBytes(path!.TrimStart('/')), found.Status.Number, found, null)],
            FileKind.Directory => image.Walk(found),
            _ => throw new FileSystemException(FileSystemRefusal.NotAFile, $"{image.Image.Name}: {path} is neither a file nor a directory ({found.Status.Kind})."),
        };
        ulong? start = image.Image is HostImage { IsBlockDevice: true } device ? FilePlacement.StartOf(device.Name) : 0;
        var files = new List<FileMap>();
        long others = 0;
        foreach (var node in nodes)
        {
            if (node.Damage is not null || node.Node is null or { Status.Kind: FileKind.File })
            {
                files.Add(Map(node, start ?? 0, isOne));
            }
            else
            {
                others++;
            }
        }

        var notes = new List<string>();
        if ((image.Image as HostImage)?.FindOtherUser() is { } user)
        {
            notes.Add($"{user}: what is shown may change, or be old.");
        }

        if (image.BlockSize != 4096)
        {
            notes.Add($"blocks of {ByteText.Size(image.BlockSize)}: DAX needs 4 KiB (mkfs.xfs -b size=4096, mke2fs -b 4096).");
        }

        return Report(image.Image.Name, image.Kind == FileSystemKind.Xfs ? "xfs" : "ext4", image.BlockSize, start, notes, files) with
        {
            Length = image.Length,
            Label = image.Label,
            Features = image.Features,
            OtherInodes = others,
        };
    }

    private static FileMap Map(FoundFile found, ulong start, bool withExtents)
    {
        try
        {
            if (found is { Node: { } node, Damage: null })
            {
                return FileMap.Of(Name(found), found.Number, node.Status.Size, node.Status.StoreRefusal.ToString(), node.Extents, start, withExtents);
            }

            return Damaged(found, found.Damage!.Message);
        }
        catch (FileSystemException e) when (!withExtents)
        {
            return Damaged(found, e.Message);
        }
    }

    private static string Name(FoundFile found) => Printable.Decode(found.Path.Span);

    private static FileMap Damaged(FoundFile found, string message) =>
        new() { Path = Name(found), Inode = found.Number, Size = found.Node?.Status.Size ?? 0, StoreRefusal = nameof(StoreRefusal.None), Damage = message };

    private static FilesReport ReadMounted(string source)
    {
        if (!File.Exists(source) && !Directory.Exists(source))
        {
            throw new FileNotFoundException($"There is no '{source}'. Give an image, a block device, or a mounted file, as in: pando files /dev/pmem0");
        }

        bool isOne = !Directory.Exists(source);
        var paths = isOne ? [source] : new DirectoryInfo(source).EnumerateFiles("*", Below).Where(f => f.UnixFileMode >= 0 && f.LinkTarget is null).Select(f => f.FullName);
        var files = new List<FileMap>();
        FilePlacement? first = null;
        foreach (var path in paths)
        {
            try
            {
                var place = FilePlacement.Read(path);
                first ??= place;
                files.Add(FileMap.Of(isOne ? path : Path.GetRelativePath(source, path), 0, place.Size, nameof(StoreRefusal.None), place.Extents, place.DeviceStart ?? 0, isOne));
            }
            catch (IOException e) when (!isOne)
            {
                files.Add(new FileMap { Path = Path.GetRelativePath(source, path), Inode = 0, Size = 0, StoreRefusal = nameof(StoreRefusal.None), Damage = e.Message });
            }
        }

        var notes = new List<string>();
        if (first is not null)
        {
            notes.Add(first.IsDax ? "mappings show the device itself (DAX)." : "mappings are page cache now: not mounted with DAX, or not on persistent memory. What follows is how it would be with DAX.");
            notes.Add(first.DeviceStart is null ? "the kernel does not tell where the device begins: alignment counts from its start." : $"the device begins at 0x{first.DeviceStart:x}.");
        }

        return Report(source, first?.FileSystem ?? "", first?.BlockSize ?? 0, first?.DeviceStart, notes, files);
    }

    private static FilesReport Report(string source, string system, long blockSize, ulong? start, List<string> notes, List<FileMap> files) =>
        new(source, system, blockSize, start, notes, [.. files.OrderByDescending(f => f.Size).ThenBy(f => f.Path, StringComparer.Ordinal)]);
}
