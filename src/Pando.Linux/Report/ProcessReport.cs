namespace Pando.Linux.Report;

/// <summary>
/// One process's page tables, in bytes. <c>TableBytes</c> is VmPTE; <c>Duplicate</c> is its part of its objects'
/// duplicates; <c>IsRead</c> is false where the split is carried over from a like process; <c>StuckState</c> is the letter of the state
/// of a process of which the kernel gave no answer (null otherwise); <c>BelongsTo</c> is its pod and container, systemd unit or
/// virtual machine (empty if its cgroup does not tell).
/// </summary>
public sealed record ProcessReport(
    int Pid,
    string Name,
    int User,
    string Cgroup,
    long TableBytes,
    long Live,
    long Duplicate,
    long Empty,
    bool IsRead,
    IReadOnlyList<ProcessShare> Objects,
    string? StuckState = null,
    string BelongsTo = "");
