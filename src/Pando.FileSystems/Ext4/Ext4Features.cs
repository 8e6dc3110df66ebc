namespace Pando.FileSystems.Ext4;

/// <summary>Features of ext4 (fs/ext4/ext4.h), by the kind of harm that not knowing one does.</summary>
internal static class Ext4Features
{
    public const uint HasJournal = 1 << 2;
    public const uint FewCopies = 1 << 9; // sparse_super2

    public const uint Recover = 1 << 2;
    public const uint JournalDevice = 1 << 3;
    public const uint MetaGroups = 1 << 4;
    public const uint Wide = 1 << 7; // 64BIT
    public const uint MountProtection = 1 << 8;
    public const uint ChecksumSeed = 1 << 13;

    public const uint SparseSuperblocks = 1 << 0;
    public const uint GroupChecksums = 1 << 4;
    public const uint BigAllocation = 1 << 9;
    public const uint Checksums = 1 << 10;
    public const uint OrphanPresent = 1 << 16;

    /// <summary>"incompat": whoever does not know one may not even read. Empty: known, and not read.</summary>
    private static readonly string[] Reading =
        ["", "filetype", "needs_recovery", "journal_dev", "meta_bg", "", "extent", "64bit", "mmp", "flex_bg", "ea_inode", "", "", "metadata_csum_seed", "large_dir", "inline_data", "encrypt", "casefold"];

    /// <summary>"ro_compat": whoever does not know one may not write, and stores are writes. With snapshots, replicas and shared blocks an extent is not its file's alone.</summary>
    private static readonly string[] Writing =
        ["sparse_super", "large_file", "", "huge_file", "uninit_bg", "dir_nlink", "extra_isize", "", "quota", "bigalloc", "metadata_csum", "", "read-only", "project", "", "verity", "orphan_present"];

    /// <summary>The names of those that are there.</summary>
    /// <exception cref="FileSystemException">There is one that is not read.</exception>
    public static IReadOnlyList<string> Check(string image, uint compatible, uint incompatible, uint readOnly)
    {
        var names = new List<string>();
        if ((compatible & HasJournal) != 0)
        {
            names.Add("has_journal");
        }

        Take(image, names, Reading, incompatible, "incompat");
        Take(image, names, Writing, readOnly, "ro_compat");
        return names;
    }

    private static void Take(string image, List<string> names, string[] known, uint bits, string set)
    {
        for (int bit = 0; bit < 32; bit++)
        {
            if ((bits & (1u << bit)) == 0)
            {
                continue;
            }

            names.Add(bit < known.Length && known[bit].Length > 0
                ? known[bit]
                : throw new FileSystemException(FileSystemRefusal.UnknownFeature, $"{image}: ext4 has the {set} feature 0x{1u << bit:x}, which this reader does not know."));
        }
    }
}
