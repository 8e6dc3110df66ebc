namespace Pando.FileSystems.Ext4;

/// <summary>Flags of an inode that change how it is read, or whether it may be stored to (EXT4_*_FL).</summary>
[Flags]
internal enum Ext4InodeFlags : uint
{
    None = 0,
    Immutable = 0x10,
    Append = 0x20,
    Encrypted = 0x800,
    Indexed = 0x1000,
    Journalled = 0x4000,
    HugeFile = 0x40000,
    Extents = 0x80000,
    Verity = 0x100000,
    Inline = 0x10000000,
    CaseFolded = 0x40000000,
}
