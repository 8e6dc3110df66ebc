namespace Pando.FileSystems;

/// <summary>Why nothing of a file may be stored to where it lies, whatever the state of its extents.</summary>
public enum StoreRefusal
{
    /// <summary>Its written extents may be stored to.</summary>
    None,

    /// <summary>It is no ordinary file.</summary>
    NotAFile,

    /// <summary>It is immutable or can only be appended to (chattr +i, +a).</summary>
    Immutable,

    /// <summary>Its contents are sealed by fs-verity.</summary>
    Verity,

    /// <summary>Its contents are encrypted.</summary>
    Encrypted,

    /// <summary>Its contents stand in the inode, which has a checksum.</summary>
    Inline,

    /// <summary>What is written to it passes through the journal (chattr +j).</summary>
    Journalled,

    /// <summary>It lies on the realtime device, which is not in the image.</summary>
    Realtime,

    /// <summary>The file system's blocks are not of 4 KiB, which DAX needs.</summary>
    BlockSize,
}
