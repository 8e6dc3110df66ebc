using System.IO.Compression;
using System.Text;
using Pando.Linux.Native;

namespace Pando.Linux.Proc;

/// <summary>Reads the options of the kernel's configuration that decide what page tables can do.</summary>
public static class KernelConfig
{
    private static readonly HashSet<string> Wanted = new(StringComparer.Ordinal)
    {
        "CONFIG_HUGETLB_PAGE", "CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING", "CONFIG_ARCH_WANT_HUGE_PMD_SHARE", "CONFIG_TRANSPARENT_HUGEPAGE",
        "CONFIG_FS_DAX", "CONFIG_FS_DAX_PMD", "CONFIG_DEV_DAX", "CONFIG_PT_RECLAIM", "CONFIG_PROC_PAGE_MONITOR", "CONFIG_USERFAULTFD",
        "CONFIG_MITIGATION_PAGE_TABLE_ISOLATION", "CONFIG_PAGE_TABLE_ISOLATION", "CONFIG_PGTABLE_LEVELS", "CONFIG_MSHARE", "CONFIG_PTSHARE", "CONFIG_PAGETABLE_SHARE",
    };

    /// <summary>Parses a .config; options that are "not set" are given as "n".</summary>
    public static IReadOnlyDictionary<string, string> Parse(ReadOnlySpan<byte> text)
    {
        var options = new SortedDictionary<string, string>(StringComparer.Ordinal);
        while (ProcText.TryLine(ref text, out var bytes))
        {
            var line = Encoding.ASCII.GetString(bytes);
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (line.StartsWith("# CONFIG_", StringComparison.Ordinal) && line.EndsWith(" is not set", StringComparison.Ordinal) && Wanted.Contains(line[2..^" is not set".Length]))
            {
                options[line[2..^" is not set".Length]] = "n";
            }
            else if (equals > 0 && Wanted.Contains(line[..equals]))
            {
                options[line[..equals]] = line[(equals + 1)..];
            }
        }

        return options;
    }

    /// <summary>Looks where kernels and distributions publish it; empty if nowhere.</summary>
    public static IReadOnlyDictionary<string, string> Read(string proc, string release)
    {
        try
        {
            var own = Path.Combine(proc, "config.gz");
            if (File.Exists(own))
            {
                using var gzip = new GZipStream(File.OpenRead(own), CompressionMode.Decompress);
                using var text = new MemoryStream();
                gzip.CopyTo(text);
                return Parse(text.GetBuffer().AsSpan(0, (int)text.Length));
            }

            var file = new FileContents();
            IReadOnlyList<MountPoint>? mounts = null;

            // /boot may be mounted when somebody looks (autofs), and may lie on a network.
            foreach (var path in new[] { $"/boot/config-{release}", $"/lib/modules/{release}/config" })
            {
                mounts ??= MountPoint.Read(file, Path.Combine(proc, "self/mountinfo"), _ => true);
                if (MountPoint.Follow(mounts, path) is { } place && File.Exists(place))
                {
                    return Parse(File.ReadAllBytes(place));
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            // Not published to this user: the report says so.
        }

        return new Dictionary<string, string>();
    }
}
