namespace Pando.Linux.Proc;

/// <summary>The lines of /proc/PID/status that matter here; sizes in bytes. <c>TableBytes</c> (VmPTE) is null for
/// kernel threads and zombies, which have no page tables of their own; <c>State</c> is the letter of the first thread's
/// state (D: waits in the kernel and cannot be killed).</summary>
public readonly record struct ProcessStatus(string Name, int User, long? TableBytes, long HugetlbBytes, long ResidentBytes, string State);
