namespace Pando.Linux.Report;

/// <summary>
/// One virtual machine on KVM. Sizes in bytes.
/// </summary>
/// <param name="Pid">The process that has its vCPUs.</param>
/// <param name="Name">The guest's name, where its cgroup or its arguments tell it; else the process's.</param>
/// <param name="Processors">vCPUs.</param>
/// <param name="GuestBytes">Memory of the guest: as its arguments say, else its large writable mappings.</param>
/// <param name="TableBytes">VmPTE of the process: the host's tables for the guest's memory.</param>
/// <param name="SecondaryTableBytes">KVM's own tables for it (EPT, NPT, shadow tables); null where the kernel does not tell them by machine.</param>
/// <param name="Source">Where that is from, or why it is not known.</param>
/// <param name="RuleBytes">The rule of thumb that operators reserve by: memory of the guest / 512, as much as 4 KiB leaves take.</param>
public sealed record VirtualMachineReport(int Pid, string Name, int Processors, long GuestBytes, long TableBytes, long? SecondaryTableBytes, string Source, long RuleBytes);
