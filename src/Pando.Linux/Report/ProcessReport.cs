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
    string BelongsTo = "")
{
    /// <summary>What a fork of it costs for its private memory, in milliseconds, by its private tables and resident pages and the machine's own
    /// rate; null where the rate was not measured or its tables are not known.</summary>
    public double? ForkMilliseconds { get; init; }

    /// <summary>KVM's tables for the guest that it runs, in bytes; null if it runs none or the kernel does not tell.</summary>
    public long? SecondaryTableBytes { get; init; }
}
