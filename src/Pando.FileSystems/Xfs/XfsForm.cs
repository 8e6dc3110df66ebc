namespace Pando.FileSystems.Xfs;

/// <summary>How an inode holds its contents (enum xfs_dinode_fmt).</summary>
internal enum XfsForm
{
    Device = 0,
    Local = 1,
    Extents = 2,
    Tree = 3,
}
