namespace Pando.Linux.Proc;

/// <summary>One mapping of /proc/PID/smaps: its range, page size in bytes, bytes mapped by 2 MiB leaves of
/// transparent huge pages, and its flags as two-letter words.</summary>
public readonly record struct SmapsEntry(ulong Start, ulong End, ulong KernelPageSize, long HugeMappedBytes, string VmFlags);
