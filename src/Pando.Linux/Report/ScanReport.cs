namespace Pando.Linux.Report;

/// <summary>
/// What a scan concluded. Sizes in bytes. The JSON form is this record in camel case; docs/scan.md describes it.
/// </summary>
/// <param name="Format">"pando-scan-report".</param>
/// <param name="Version">Version of the form; a program should refuse a greater one.</param>
/// <param name="TakenAt">When the machine was read.</param>
/// <param name="ScanSeconds">How long reading took.</param>
/// <param name="Exact">True if every process was read to the page.</param>
/// <param name="At">Number of processes that was asked for; null if none.</param>
/// <param name="Machine">The machine.</param>
/// <param name="Objects">Objects, the most table bytes first.</param>
/// <param name="Processes">Processes, the most table bytes first.</param>
/// <param name="Cgroups">Cgroups, the most table bytes first.</param>
/// <param name="Advice">What to do, the greatest saving first.</param>
/// <param name="Cells">Pictures of sharing for the first objects.</param>
/// <param name="Notes">What could not be read, and what would help.</param>
public sealed record ScanReport(
    string Format,
    int Version,
    DateTimeOffset TakenAt,
    double ScanSeconds,
    bool Exact,
    int? At,
    MachineReport Machine,
    IReadOnlyList<ObjectReport> Objects,
    IReadOnlyList<ProcessReport> Processes,
    IReadOnlyList<CgroupReport> Cgroups,
    IReadOnlyList<Advice> Advice,
    IReadOnlyList<ObjectCells> Cells,
    IReadOnlyList<string> Notes)
{
    /// <summary>Virtual machines on KVM, the largest first.</summary>
    public IReadOnlyList<VirtualMachineReport> VirtualMachines { get; init; } = [];

    /// <summary>From the start of the program to this report, reading and all else, in seconds; null for a saved snapshot, which was read before.</summary>
    public double? TotalSeconds { get; init; }

    /// <summary>The format's name.</summary>
    public const string FormatName = "pando-scan-report";

    /// <summary>The version that this program writes.</summary>
    public const int CurrentVersion = 1;
}
