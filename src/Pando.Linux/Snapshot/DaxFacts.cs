namespace Pando.Linux.Snapshot;

/// <summary>Where a DAX file lies. <c>DeviceStart</c>: bytes from the start of the persistent memory to the start of
/// the block device (a partition), null if not known; <c>FileSize</c> in bytes; <c>FileSystem</c> as /proc/mounts
/// names it.</summary>
public sealed record DaxFacts(ulong? DeviceStart, long FileSize, string FileSystem, IReadOnlyList<PhysicalExtent> Extents);
