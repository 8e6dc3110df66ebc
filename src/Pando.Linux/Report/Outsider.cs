namespace Pando.Linux.Report;

/// <summary>A process with PMD tables of its own for a hugetlb object, and why.</summary>
public sealed record Outsider(int Pid, string Name, int OwnTables, IReadOnlyList<Refusal> Reasons);
