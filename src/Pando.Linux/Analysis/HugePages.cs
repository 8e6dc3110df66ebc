namespace Pando.Linux.Analysis;

/// <summary>How the kernel and its users write sizes of huge pages, and where their pools are.</summary>
internal static class HugePages
{
    /// <summary>The size that x86-64 and Arm64 with 4 KiB pages have in a PMD table.</summary>
    public const ulong Usual = 2UL << 20;

    /// <summary>The size that they have in a PUD table.</summary>
    public const ulong Giant = 1UL << 30;

    /// <summary>A file of the pool of this size, in /sys. vm.nr_hugepages is the pool of the default size, which the
    /// kernel's command line may have changed (default_hugepagesz).</summary>
    public static string PoolFile(ulong size, string file = "nr_hugepages") => $"/sys/kernel/mm/hugepages/hugepages-{size >> 10}kB/{file}";

    /// <summary>As on the kernel's command line and in mount options: 2M, 1G.</summary>
    public static string Short(ulong size) => size >= 1UL << 30 ? $"{size >> 30}G" : size >= 1UL << 20 ? $"{size >> 20}M" : $"{size >> 10}K";

    /// <summary>As Kubernetes writes it: 2Mi, 1Gi.</summary>
    public static string Kubernetes(ulong size) => Short(size) + "i";

    /// <summary>As flags of memfd_create, shmget and mmap name it: 2MB, 1GB.</summary>
    public static string Flag(ulong size) => Short(size) + "B";

    /// <summary>Whole pages that hold so many bytes.</summary>
    public static long For(long bytes, ulong size) => (bytes + (long)size - 1) / (long)size;
}
