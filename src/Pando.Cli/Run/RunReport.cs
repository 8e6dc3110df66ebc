namespace Pando.Cli.Run;

/// <summary>What `pando run` found: the form of --json.</summary>
/// <param name="Version">Of this form; raised when a field changes its meaning or goes.</param>
/// <param name="MemoryBytes">Bytes that every process maps.</param>
/// <param name="Processes">Processes that were asked for.</param>
/// <param name="PageBytes">The size of a page.</param>
/// <param name="PageTableLevels">4 or 5.</param>
/// <param name="Threads">Threads that built.</param>
/// <param name="BudgetBytes">The most RAM that a world's page tables were to take.</param>
/// <param name="Pmem">The file that has the memory's bytes, or null.</param>
/// <param name="Worlds">One for each level of sharing.</param>
/// <param name="Passed">Whether every world was proved right.</param>
internal sealed record RunReport(
    int Version,
    long MemoryBytes,
    int Processes,
    long PageBytes,
    int PageTableLevels,
    int Threads,
    long BudgetBytes,
    string? Pmem,
    IReadOnlyList<WorldReport> Worlds,
    bool Passed)
{
    /// <summary>The version of this form.</summary>
    public const int CurrentVersion = 1;
}
