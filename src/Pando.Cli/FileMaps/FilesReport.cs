namespace Pando.Cli.FileMaps;

/// <summary>What pando files found. Sizes and offsets are in bytes.</summary>
/// <param name="Source">The image, or the mounted file or directory.</param>
/// <param name="FileSystem">xfs, ext4, or the name of the mounted file system.</param>
/// <param name="BlockSize">Of the file system; 0 if it is not known.</param>
/// <param name="DeviceStart">Where the device begins: places of extents count from it, and their alignment with it; null if it is not known and taken for 0.</param>
/// <param name="Notes">What else the reader should know.</param>
/// <param name="Files">The files, largest first.</param>
internal sealed record FilesReport(string Source, string FileSystem, long BlockSize, ulong? DeviceStart, IReadOnlyList<string> Notes, IReadOnlyList<FileMap> Files)
{
    /// <summary>Of an image: bytes that the file system takes of it; else null.</summary>
    public long? Length { get; init; }

    /// <summary>Of an image: its name.</summary>
    public string? Label { get; init; }

    /// <summary>Of an image: its features, by the names that mkfs gives them.</summary>
    public IReadOnlyList<string>? Features { get; init; }

    /// <summary>Directories, links and others that were seen.</summary>
    public long OtherInodes { get; init; }
}
