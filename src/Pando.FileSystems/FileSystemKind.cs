namespace Pando.FileSystems;

/// <summary>The file systems that are read.</summary>
public enum FileSystemKind
{
    /// <summary>XFS, version 5.</summary>
    Xfs,

    /// <summary>ext4, and ext2 and ext3 as ext4 reads them.</summary>
    Ext4,
}
