using System.Globalization;

namespace Pando.Linux.Analysis;

/// <summary>
/// What the kernel's PageTables counts, by version: PUD tables since 6.7 (commit 55d2a0bd5ead), P4D and root tables
/// since 6.14 (commit 68c601de75d8). VmPTE has PTE, PMD and PUD tables since 4.15 (commit af5b0f6a09e4) and never the root.
/// </summary>
internal static class KernelCounters
{
    /// <summary>Whether PUD tables and root tables are in PageTables. A version that cannot be read counts as new.</summary>
    public static (bool Pud, bool Root) Of(string release)
    {
        var words = release.Split('.', '-', '+');
        if (words.Length < 2 || !int.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out var major)
            || !int.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var minor))
        {
            return (true, true);
        }

        return ((major, minor).CompareTo((6, 7)) >= 0, (major, minor).CompareTo((6, 14)) >= 0);
    }
}
