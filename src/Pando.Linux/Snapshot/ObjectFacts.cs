namespace Pando.Linux.Snapshot;

/// <summary>An object that processes map: number in the snapshot, kind, name (path), device ("8:1") and inode that
/// identify it, size of its pages in bytes where the object fixes it (hugetlb; 0 elsewhere), file system and, for
/// DAX, its place on the device. <c>Scope</c> is empty where device and inode are enough; where several objects have the
/// same (System V ids of several IPC namespaces), it tells them apart.
/// Of shared memory and hugetlb files also the size, the bytes that are allocated to it (in
/// memory or swap), and for a file on tmpfs where that is mounted; null where it is not known.</summary>
public sealed record ObjectFacts(
    int Number,
    ObjectKind Kind,
    string Name,
    string Device,
    ulong Inode,
    ulong HugePageSize = 0,
    string FileSystem = "",
    DaxFacts? Dax = null,
    string Scope = "",
    long? SizeBytes = null,
    long? AllocatedBytes = null,
    MountFacts? Mount = null)
{
    /// <summary>The number of private memory, which is the first object of every snapshot.</summary>
    public const int Anonymous = 0;
}
