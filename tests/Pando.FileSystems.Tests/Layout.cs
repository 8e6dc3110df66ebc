namespace Pando.FileSystems.Tests;

/// <summary>One way in which an image is laid out.</summary>
/// <param name="Name">What the test is called by.</param>
/// <param name="Kind">The file system.</param>
/// <param name="Options">What its mkfs is given.</param>
/// <param name="MegaBytes">The image's size.</param>
/// <param name="HasReflink">Whether files may share blocks.</param>
internal sealed record Layout(string Name, FileSystemKind Kind, string Options, int MegaBytes = 400, bool HasReflink = false)
{
    public static IReadOnlyList<Layout> All { get; } =
    [
        new("xfs", FileSystemKind.Xfs, "", HasReflink: true),
        new("xfs-plain", FileSystemKind.Xfs, "-m reflink=0,rmapbt=0,bigtime=0,inobtcount=0,finobt=0 -i sparse=0"),
        new("xfs-all", FileSystemKind.Xfs, "-m reflink=1,rmapbt=1,bigtime=1,inobtcount=1 -i sparse=1,nrext64=1", HasReflink: true),
        new("xfs-aligned", FileSystemKind.Xfs, "-m reflink=0 -d su=2m,sw=1,agcount=2"),
        new("xfs-1k", FileSystemKind.Xfs, "-b size=1024 -i nrext64=1", HasReflink: true),
        new("xfs-1k-inode", FileSystemKind.Xfs, "-i size=1024 -d agcount=3", HasReflink: true),
        new("xfs-directory-16k", FileSystemKind.Xfs, "-n size=16384", HasReflink: true),
        new("xfs-sector-4k", FileSystemKind.Xfs, "-s size=4096 -l su=32k", HasReflink: true),
        new("xfs-16k", FileSystemKind.Xfs, "-b size=16384", 800, HasReflink: true),
        new("xfs-64k", FileSystemKind.Xfs, "-b size=65536 -i size=2048", 2000, HasReflink: true),
        new("ext4", FileSystemKind.Ext4, ""),
        new("ext4-plain", FileSystemKind.Ext4, "-O ^has_journal,^64bit,^metadata_csum"),
        new("ext4-group-checksums", FileSystemKind.Ext4, "-O ^metadata_csum,uninit_bg"),
        new("ext4-inline", FileSystemKind.Ext4, "-O inline_data -I 256"),
        new("ext4-blocks", FileSystemKind.Ext4, "-O ^extent,^64bit,^flex_bg"),
        new("ext4-1k", FileSystemKind.Ext4, "-b 1024"),
        new("ext4-2k-inode-1k", FileSystemKind.Ext4, "-b 2048 -I 1024"),
        new("ext4-bigalloc", FileSystemKind.Ext4, "-O bigalloc -C 65536"),
        new("ext4-bigalloc-1k", FileSystemKind.Ext4, "-O bigalloc -b 1024 -C 16384"),
        new("ext4-meta-groups", FileSystemKind.Ext4, "-O meta_bg,^resize_inode -b 1024 -g 1024"),
        new("ext4-seed", FileSystemKind.Ext4, "-O metadata_csum_seed,large_dir,ea_inode,sparse_super2"),
        new("ext4-mmp", FileSystemKind.Ext4, "-O mmp,orphan_file"),
        new("ext4-casefold", FileSystemKind.Ext4, "-O casefold,encrypt,verity"),
        new("ext4-64k", FileSystemKind.Ext4, "-b 65536", 800),
        new("ext2", FileSystemKind.Ext4, "-t ext2 -I 128"),
        new("ext3", FileSystemKind.Ext4, "-t ext3"),
    ];

    public static Layout Of(string name) => All.Single(l => l.Name == name);

    public override string ToString() => Name;
}
