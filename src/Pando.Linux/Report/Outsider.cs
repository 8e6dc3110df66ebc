namespace Pando.Linux.Report;

/// <summary>A process with PMD tables of its own for a hugetlb object, or with some that it shares with fewer than it could, and why.</summary>
public sealed record Outsider(int Pid, string Name, int OwnTables, IReadOnlyList<Refusal> Reasons)
{
    /// <summary>Tables that it shares with some, and not with those that are most.</summary>
    public int ApartTables { get; init; }
}
