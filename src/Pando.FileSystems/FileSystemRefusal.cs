namespace Pando.FileSystems;

/// <summary>Why an image, or something in it, is not read.</summary>
public enum FileSystemRefusal
{
    /// <summary>It is not refused.</summary>
    None,

    /// <summary>No file system that is known begins here.</summary>
    NoFileSystem,

    /// <summary>A file system that is known by name and cannot be read (XFS before version 5, btrfs, a journal without its file system).</summary>
    UnsupportedFileSystem,

    /// <summary>The file system has a feature that this reader does not know: what it reads could mean something else.</summary>
    UnknownFeature,

    /// <summary>The file system says of itself that it must be repaired.</summary>
    NeedsRepair,

    /// <summary>The log holds changes that are not in place yet, or the file system was not unmounted.</summary>
    DirtyLog,

    /// <summary>The log is on another device, so that nobody can tell here whether it is clean.</summary>
    ExternalLog,

    /// <summary>The image ends before its file system does.</summary>
    ImageTooShort,

    /// <summary>A structure's checksum is not that of its bytes.</summary>
    BadChecksum,

    /// <summary>A structure contradicts itself or another one.</summary>
    Damaged,

    /// <summary>The image cannot be opened, or reading it failed.</summary>
    Unreadable,

    /// <summary>The image is mounted, attached to a loop device, or opened exclusively by another process.</summary>
    InUse,

    /// <summary>There is nothing of this name.</summary>
    NotFound,

    /// <summary>A name stands before others on the path, and is no directory.</summary>
    NotADirectory,

    /// <summary>What is asked for needs a file, and this is something else.</summary>
    NotAFile,

    /// <summary>More than 40 symbolic links on one path.</summary>
    TooManyLinks,

    /// <summary>A path or a name is longer than Linux allows.</summary>
    NameTooLong,

    /// <summary>Contents and names are encrypted.</summary>
    Encrypted,

    /// <summary>The file's contents lie on the realtime device, which is not in the image.</summary>
    Realtime,
}
