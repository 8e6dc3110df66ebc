using Pando.Files;

namespace Pando.Linux.Tests;

/// <summary>One file of the machine that scripts/dax.sh boots, and what its mappings must come out as.</summary>
/// <param name="Name">Name of the file.</param>
/// <param name="Huge">Windows with a 2 MiB leaf, over all processes.</param>
/// <param name="Small">Windows with 4 KiB leaves.</param>
/// <param name="Reasons">Why.</param>
internal sealed record DaxCase(string Name, long Huge, long Small, params (SmallPageReason Reason, long Windows)[] Reasons)
{
    /// <summary>The files of scripts/dax-guest.sh. The numbers of windows are those of the kernel's trace
    /// (fs_dax:dax_pmd_fault_done) on Linux 6.1 and 6.12; the reasons are what the script did to each file.</summary>
    public static IReadOnlyList<DaxCase> All { get; } =
    [
        new("aligned", 64, 0),
        new("copied", 32, 0),
        new("covered", 2, 2, (SmallPageReason.MappingEdge, 2)),
        new("end", 2, 1, (SmallPageReason.EndOfFile, 1)),
        new("filled", 16, 0),
        new("first", 1, 30, (SmallPageReason.NotCongruent, 15), (SmallPageReason.PartlyWritten, 15)),
        new("hole", 15, 1, (SmallPageReason.Hole, 1)),
        new("nearly", 3, 0),
        new("physical", 0, 15, (SmallPageReason.PhysicalNotAligned, 15)),
        new("pieces", 2, 4, (SmallPageReason.ExtentTooShort, 4)),
        new("private", 0, 16, (SmallPageReason.PrivateWrite, 16)),
        new("shifted", 0, 32, (SmallPageReason.NotCongruent, 32)),
        new("sparse", 16, 0),
        new("written", 7, 1, (SmallPageReason.PartlyWritten, 1)),
    ];

    /// <summary>One line, to compare.</summary>
    public string Text => Line(Name, Huge, Small, Reasons.ToDictionary(r => r.Reason.ToString(), r => r.Windows));

    public static string Line(string name, long huge, long small, IEnumerable<KeyValuePair<string, long>> reasons) =>
        $"{name}: {huge} of 2 MiB, {small} of 4 KiB {string.Join(", ", reasons.OrderBy(r => r.Key, StringComparer.Ordinal).Select(r => $"{r.Key} {r.Value}"))}".TrimEnd();
}
