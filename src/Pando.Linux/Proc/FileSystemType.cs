using System.Globalization;
using System.Text.RegularExpressions;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>
/// A file system's type and options as mountinfo writes them. Names of types are the kernel's own
/// (file_system_type.name), not a user's.
/// </summary>
internal readonly partial record struct FileSystemType(string Name, string Options = "")
{
    // Neither statx nor a handle of these waits for anything but the machine itself: what is asked stands in the inode.
    private static readonly HashSet<string> Local = new(StringComparer.Ordinal)
    {
        "ext2", "ext3", "ext4", "xfs", "btrfs", "bcachefs", "f2fs", "tmpfs", "ramfs", "rootfs", "devtmpfs", "hugetlbfs", "squashfs", "erofs",
        "iso9660", "udf", "vfat", "msdos", "exfat", "ntfs3", "jfs", "nilfs2", "minix", "cramfs", "romfs", Memory, Secret,
    };

    private static readonly HashSet<string> WithoutFiles = new(StringComparer.Ordinal)
    {
        "proc", "sysfs", "cgroup", "cgroup2", "devpts", "debugfs", "tracefs", "securityfs", "configfs", "bpf", "mqueue", "pstore", "efivarfs",
        "fusectl", "binfmt_misc", "selinuxfs", "nsfs", "sockfs", "pipefs", "aio", "dmabuf", Anonymous,
    };

    // statfs magic numbers (linux/magic.h), for file systems that are mounted nowhere that could be seen.
    private static readonly Dictionary<long, string> ByMagic = new()
    {
        [0x958458f6] = "hugetlbfs", [0x01021994] = "tmpfs", [0x58465342] = "xfs", [0xEF53] = "ext4", [0x9123683E] = "btrfs", [0xca451a4e] = "bcachefs",
        [0xF2F52010] = "f2fs", [0x794c7630] = "overlay", [0x65735546] = "fuse", [0x6969] = "nfs", [0xE0F5E1E2] = "erofs", [0x73717368] = "squashfs",
        [0x858458f6] = "ramfs", [0x09041934] = Anonymous, [0x19800202] = "aio", [0x444d4142] = "dmabuf", [0x534F434B] = "sockfs", [0x9fa0] = "proc",
        [0x62656572] = "sysfs", [0x5345434d] = Secret, [0x1cd1] = "devpts",
    };

    /// <summary>The kernel's own tmpfs: memfd, System V, shared anonymous memory, drivers' buffers.</summary>
    public const string Memory = "kernel-shmem";

    /// <summary>Files of memfd_secret.</summary>
    public const string Secret = "secretmem";

    /// <summary>Files that are interfaces of the kernel (anon_inode).</summary>
    public const string Anonymous = "anon_inodefs";

    /// <summary>The type for a magic number of statfs; empty if it is not known here.</summary>
    public static FileSystemType OfMagic(long magic) => new(ByMagic.GetValueOrDefault(magic & 0xffffffff) ?? "");

    /// <summary>True if questions about a file cannot wait for somebody: a server, another program, a network.</summary>
    public bool AnswersAtOnce => Name is { } name && Local.Contains(name);

    /// <summary>True if what can be mapped of it is the kernel's or a device's, and never the page cache of a file.</summary>
    public bool HasNoFiles => WithoutFiles.Contains(Name);

    /// <summary>True if one device has several files of one inode number: subvolumes and their snapshots.</summary>
    public bool HasSubvolumes => Name is "btrfs" or "bcachefs";

    /// <summary>True if its files show another file system's pages: one file below is one object, whatever stands above.</summary>
    public bool IsStacked => Name == "overlay";

    /// <summary>True if its server may map persistent memory through it (virtiofs), by its options.</summary>
    public bool MayHaveServedDax => (Name == "virtiofs" || Name.StartsWith("fuse", StringComparison.Ordinal)) && DaxOption().IsMatch(Options);

    /// <summary>Page size of a hugetlbfs in bytes, as its options say (pagesize=2M); 0 if they do not.</summary>
    public ulong PageSize
    {
        get
        {
            var match = PageSizeOption().Match(Options);
            if (Name != "hugetlbfs" || !match.Success || !ulong.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                return 0;
            }

            var shift = match.Groups[2].Value switch { "K" or "k" => 10, "M" or "m" => 20, "G" or "g" => 30, _ => 0 };
            return number <= ulong.MaxValue >> shift && HugePagePool.IsPageSize(number << shift) ? number << shift : 0;
        }
    }

    [GeneratedRegex("(?:^|,)pagesize=([0-9]{1,12})([KMGkmg]?)(?:,|$)")]
    private static partial Regex PageSizeOption();

    [GeneratedRegex("(?:^|,)dax(?:=always|=inode)?(?:,|$)")]
    private static partial Regex DaxOption();
}
