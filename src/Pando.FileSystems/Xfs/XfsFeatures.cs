namespace Pando.FileSystems.Xfs;

/// <summary>Features of XFS version 5 (fs/xfs/libxfs/xfs_format.h), by the kind of harm that not knowing one does.</summary>
internal static class XfsFeatures
{
    public const uint FileTypes = 1 << 0;
    public const uint SparseInodes = 1 << 1;
    public const uint OtherIdentity = 1 << 2; // META_UUID
    public const uint BigTime = 1 << 3;
    public const uint NeedsRepair = 1 << 4;
    public const uint ManyExtents = 1 << 5; // NREXT64

    public const uint Refcounts = 1 << 2; // REFLINK

    /// <summary>"incompat": whoever does not know one may not even read.</summary>
    private static readonly string[] Reading = ["ftype", "sparse", "meta_uuid", "bigtime", "needsrepair", "nrext64", "exchange", "parent"];

    /// <summary>"ro_compat": whoever does not know one may not write. Stores are writes, and to know what is shared takes one of them.</summary>
    private static readonly string[] Writing = ["finobt", "rmapbt", "reflink", "inobtcount"];

    /// <summary>What only the log may hold, which is refused when it holds something.</summary>
    private static readonly string[] Logged = ["log_xattrs"];

    /// <summary>The names of those that are there.</summary>
    /// <exception cref="FileSystemException">There is one without a name, or the file system needs repair.</exception>
    public static IReadOnlyList<string> Check(string image, uint incompatible, uint readOnly, uint log)
    {
        var names = new List<string>();
        Take(image, names, Reading, incompatible, "incompat");
        Take(image, names, Writing, readOnly, "ro_compat");
        Take(image, names, Logged, log, "log_incompat");
        return (incompatible & NeedsRepair) == 0
            ? names
            : throw new FileSystemException(FileSystemRefusal.NeedsRepair, $"{image}: XFS says that it needs repair. Run xfs_repair on it.");
    }

    private static void Take(string image, List<string> names, string[] known, uint bits, string set)
    {
        for (int bit = 0; bit < 32; bit++)
        {
            if ((bits & (1u << bit)) == 0)
            {
                continue;
            }

            names.Add(bit < known.Length
                ? known[bit]
                : throw new FileSystemException(FileSystemRefusal.UnknownFeature, $"{image}: XFS has the {set} feature 0x{1u << bit:x}, which this reader does not know."));
        }
    }
}
