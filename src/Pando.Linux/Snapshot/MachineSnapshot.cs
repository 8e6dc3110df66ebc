namespace Pando.Linux.Snapshot;

/// <summary>
/// Everything that a scan read, and nothing that it concluded: the analysis of a live machine and of a saved
/// snapshot is the same code.
/// </summary>
/// <param name="TakenAt">When the scan began.</param>
/// <param name="ScanSeconds">How long reading took.</param>
/// <param name="Exact">True if every process was read to the page (where permitted).</param>
/// <param name="Machine">The machine.</param>
/// <param name="Objects">Mapped objects; an object's number is its index.</param>
/// <param name="Processes">Processes with page tables of their own (no kernel threads).</param>
/// <param name="Cgroups">Cgroups of these processes.</param>
/// <param name="Probes">Looks at huge pages.</param>
/// <param name="Notes">What could not be read, and what would help.</param>
/// <param name="Unseen">Why there are processes that are not in the snapshot (another PID namespace, hidepid, the time budget), in
/// a few words; null if all that have tables are.</param>
public sealed record MachineSnapshot(
    DateTimeOffset TakenAt,
    double ScanSeconds,
    bool Exact,
    MachineFacts Machine,
    IReadOnlyList<ObjectFacts> Objects,
    IReadOnlyList<ProcessFacts> Processes,
    IReadOnlyList<CgroupFacts> Cgroups,
    IReadOnlyList<HugetlbProbe> Probes,
    IReadOnlyList<string> Notes,
    string? Unseen = null);
