namespace Pando.FileSystems;

/// <summary>What an inode is: the type bits of its mode.</summary>
public enum FileKind
{
    /// <summary>None that Linux knows; of a directory entry: not said.</summary>
    Unknown = 0,

    /// <summary>A named pipe.</summary>
    Pipe = 1,

    /// <summary>A character device.</summary>
    CharacterDevice = 2,

    /// <summary>A directory.</summary>
    Directory = 4,

    /// <summary>A block device.</summary>
    BlockDevice = 6,

    /// <summary>An ordinary file.</summary>
    File = 8,

    /// <summary>A symbolic link.</summary>
    Link = 10,

    /// <summary>A socket.</summary>
    Socket = 12,
}
