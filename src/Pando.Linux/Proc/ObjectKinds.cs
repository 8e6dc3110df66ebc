using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>What kind of object a name in maps stands for, as far as the name tells; the file system says the rest.</summary>
internal static class ObjectKinds
{
    public static ObjectKind FromName(int number, string name, ulong inode)
    {
        if (number == ObjectTable.Anonymous)
        {
            return ObjectKind.Anonymous;
        }

        return name switch
        {
            _ when inode == 0 => ObjectKind.Special,
            _ when name.StartsWith("/memfd:", StringComparison.Ordinal) => ObjectKind.Memfd,
            _ when name.StartsWith("/SYSV", StringComparison.Ordinal) => ObjectKind.SystemV,
            _ when name.StartsWith("/anon_hugepage", StringComparison.Ordinal) => ObjectKind.Hugetlb,
            _ when name.StartsWith("/dev/zero", StringComparison.Ordinal) => ObjectKind.SharedAnonymous,
            _ when name.StartsWith("/dev/dax", StringComparison.Ordinal) => ObjectKind.DaxDevice,
            _ when name.StartsWith("/dev/shm/", StringComparison.Ordinal) => ObjectKind.SharedMemory,
            _ when name.StartsWith("/dev/", StringComparison.Ordinal) || !name.StartsWith('/') => ObjectKind.Special,
            _ => ObjectKind.File,
        };
    }
}
