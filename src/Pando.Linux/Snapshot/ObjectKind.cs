namespace Pando.Linux.Snapshot;

/// <summary>What a mapping shows.</summary>
public enum ObjectKind
{
    /// <summary>Private memory without a file: heap, stack, anonymous mmap.</summary>
    Anonymous,

    /// <summary>An ordinary file in the page cache.</summary>
    File,

    /// <summary>A file on tmpfs with a name (/dev/shm, POSIX shared memory).</summary>
    SharedMemory,

    /// <summary>A System V segment (shmget).</summary>
    SystemV,

    /// <summary>A memfd.</summary>
    Memfd,

    /// <summary>mmap(MAP_SHARED | MAP_ANONYMOUS): "/dev/zero (deleted)" in maps.</summary>
    SharedAnonymous,

    /// <summary>Hugetlb pages, whatever made them: a file on hugetlbfs, memfd, shmget or mmap.</summary>
    Hugetlb,

    /// <summary>A file on persistent memory mapped without the page cache (fsdax).</summary>
    DaxFile,

    /// <summary>A character device of persistent memory (/dev/daxX.Y).</summary>
    DaxDevice,

    /// <summary>vdso, vvar, vsyscall and other mappings of the kernel or of a device.</summary>
    Special,
}
