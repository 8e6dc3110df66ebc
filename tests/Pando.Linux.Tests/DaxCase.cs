using Pando.Linux.Analysis;

namespace Pando.Linux.Tests;

/// <summary>One file of the machine that scripts/dax.sh boots, and what its mappings must come out as.</summary>
/// <param name="Name">Name of the file.</param>
/// <param name="Huge">Windows with a 2 MiB leaf, over all processes.</param>
/// <param name="Small">Windows with 4 KiB leaves.</param>
/// <param name="Reasons">Why.</param>
internal sealed record DaxCase(string Name, long Huge, long Small, params (DaxRefusal Reason, long Windows)[] Reasons)
{
    /// <summary>The files of scripts/dax-guest.sh. The numbers of windows are those of the kernel's trace
    /// (fs_dax:dax_pmd_fault_done) on Linux 6.1 and 6.12; the reasons are what the script did to each file.</summary>
    public static IReadOnlyList<DaxCase> All { get; } =
    [
        new("aligned", 64, 0),
        new("copied", 32, 0),
        new("covered", 2, 2, (DaxRefusal.WindowNotCovered, 2)),
        new("end", 2, 1, (DaxRefusal.EndOfFile, 1)),
        new("filled", 16, 0),
        new("first", 1, 30, (DaxRefusal.AddressNotCongruent, 15), (DaxRefusal.PartlyWritten, 15)),
        new("hole", 15, 1, (DaxRefusal.Hole, 1)),
        new("nearly", 3, 0),
        new("physical", 0, 15, (DaxRefusal.PhysicalNotAligned, 15)),
        new("pieces", 2, 4, (DaxRefusal.ExtentTooShort, 4)),
        new("private", 0, 16, (DaxRefusal.PrivateMapping, 16)),
        new("shifted", 0, 32, (DaxRefusal.AddressNotCongruent, 32)),
        new("sparse", 16, 0),
        new("written", 7, 1, (DaxRefusal.PartlyWritten, 1)),
    ];

    /// <summary>One line, to compare.</summary>
    public string Text => Line(Name, Huge, Small, Reasons.ToDictionary(r => r.Reason.ToString(), r => r.Windows));

    public static string Line(string name, long huge, long small, IEnumerable<KeyValuePair<string, long>> reasons) =>
        $"{name}: {huge} of 2 MiB, {small} of 4 KiB {string.Join(", ", reasons.OrderBy(r => r.Key, StringComparer.Ordinal).Select(r => $"{r.Key} {r.Value}"))}".TrimEnd();
}
