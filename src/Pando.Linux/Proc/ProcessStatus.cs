namespace Pando.Linux.Proc;

/// <summary>The lines of /proc/PID/status that matter here; sizes in bytes. <c>TableBytes</c> (VmPTE) is null for
/// kernel threads and zombies, which have no page tables of their own.</summary>
public readonly record struct ProcessStatus(string Name, int User, long? TableBytes, long HugetlbBytes, long ResidentBytes);
