namespace Pando.Linux.Native;

/// <summary>
/// What the kernel says about one file: file type and node number (statx), its DAX state, size, inode and time of change (nanoseconds, which no program can set), the magic
/// number and block size of its file system (statfs, 0 if that was not asked), and its handle (name_to_handle_at;
/// empty if the file system gives none), which is the file's identity within its file system.
/// </summary>
internal readonly record struct FileAnswer(
    int Mode,
    uint NodeMajor,
    uint NodeMinor,
    ulong Inode,
    long Size,
    long ChangedAt,
    bool IsDax,
    long FileSystemType,
    long BlockSize,
    string Handle)
{
    private const int TypeMask = 0xF000;

    /// <summary>A character device (S_IFCHR).</summary>
    public bool IsCharacterDevice => (Mode & TypeMask) == 0x2000;

    /// <summary>A block device (S_IFBLK): its pages are the device's page cache.</summary>
    public bool IsBlockDevice => (Mode & TypeMask) == 0x6000;
}
