namespace Pando.Cli.Run;

/// <summary>How a world was proved right.</summary>
/// <param name="Spaces">Processes in which processors ran.</param>
/// <param name="Stores">Stores, each through one process at an address of its own.</param>
/// <param name="Loads">Loads of what was stored, through other processes.</param>
/// <param name="FirstOffset">The lowest offset in the memory that was stored to.</param>
/// <param name="LastOffset">The highest.</param>
/// <param name="StoreFaults">Page faults that the stores took: there may be none.</param>
/// <param name="LoadFaults">Page faults that the loads took: there may be none.</param>
/// <param name="Wrong">Loads that did not give what had been stored, accesses that failed, bytes that are not in the file.</param>
/// <param name="FirstWrong">The first of those, in words.</param>
/// <param name="HasBytes">Whether there were bytes; if not, translations were compared with where the file lies.</param>
/// <param name="BytesInFile">Stores that were found again in the file given as --pmem, read as a file.</param>
/// <param name="AuditedTables">Page tables that the auditor visited.</param>
/// <param name="AuditedSlots">Slots to file's tables that it checked.</param>
/// <param name="AuditedLeaves">Leaves that it compared with the file.</param>
/// <param name="AuditSeconds">How long that took.</param>
/// <param name="Violations">What it found wrong.</param>
internal sealed record ProofReport(
    int Spaces,
    int Stores,
    int Loads,
    long FirstOffset,
    long LastOffset,
    long StoreFaults,
    long LoadFaults,
    int Wrong,
    string? FirstWrong,
    bool HasBytes,
    int? BytesInFile,
    long AuditedTables,
    long AuditedSlots,
    long AuditedLeaves,
    double AuditSeconds,
    IReadOnlyList<string> Violations)
{
    /// <summary>Whether the world is right.</summary>
    public bool Passed => Wrong == 0 && StoreFaults == 0 && LoadFaults == 0 && Violations.Count == 0;
}
