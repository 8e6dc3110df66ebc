namespace Pando.Linux.Native;

/// <summary>
/// What the kernel says of a file on tmpfs or hugetlbfs: size and bytes allocated to it, and of the whole file system
/// (0 where it has no bound). Such file systems have no server, and answer at once.
/// </summary>
internal readonly record struct MemoryFile(long Size, long Allocated, ulong Inode, long SystemSize, long SystemFree, long SystemFiles)
{
    private const int CurrentDirectory = -100; // AT_FDCWD
    private const int BlockSize = 512; // of stx_blocks, whatever the file system

    /// <summary>Asks about the file behind a path; null if the kernel refuses, or if it lies on no such file system.</summary>
    public static unsafe MemoryFile? Ask(string path)
    {
        FileSystemStatus system;
        ExtendedStatus file;
        if (LibC.StatFileSystem(path, &system) != 0 || system.Type is not (FileSystemStatus.TmpfsType or FileSystemStatus.HugetlbType)
            || LibC.StatExtended(CurrentDirectory, path, 0, ExtendedStatus.BasicStatus, &file) != 0)
        {
            return null;
        }

        var isBounded = system.Blocks > 0;
        return new MemoryFile(
            (long)file.Size,
            (long)(file.Blocks * BlockSize),
            file.Inode,
            isBounded ? Bytes(system.Blocks, system.BlockSize) : 0,
            isBounded ? Bytes(system.BlocksFree, system.BlockSize) : 0,
            (long)Math.Min(system.Files - Math.Min(system.FilesFree, system.Files), long.MaxValue));
    }

    /// <summary>A bound may be larger than any memory (size=16E).</summary>
    private static long Bytes(ulong blocks, long size) => blocks > (ulong)(long.MaxValue / Math.Max(size, 1)) ? long.MaxValue : (long)blocks * size;
}
