using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Pando.Linux.Native;

// Every structure that crosses into the kernel stands in this file, with its size checked before first use:
// a wrong layout would be read as numbers, not as an error.

/// <summary>struct pm_scan_arg of linux/fs.h: argument of PAGEMAP_SCAN (Linux 6.7).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PageScanArgument
{
    public ulong Size;
    public ulong Flags;
    public ulong Start;
    public ulong End;
    public ulong WalkEnd;
    public ulong Regions;
    public ulong RegionCapacity;
    public ulong MaximumPages;
    public ulong CategoryInverted;
    public ulong CategoryMask;
    public ulong CategoryAnyOf;
    public ulong ReturnMask;
}

/// <summary>struct page_region of linux/fs.h: a run of pages of one category.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PageRegion
{
    public ulong Start;
    public ulong End;
    public ulong Categories;
}

/// <summary>struct fiemap of linux/fiemap.h, without its extents.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FiemapHeader
{
    public ulong Start;
    public ulong Length;
    public uint Flags;
    public uint MappedExtents;
    public uint ExtentCapacity;
    public uint Reserved;
}

/// <summary>struct fiemap_extent of linux/fiemap.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FiemapExtent
{
    public ulong Logical;
    public ulong Physical;
    public ulong Length;
    public ulong Reserved0;
    public ulong Reserved1;
    public uint Flags;
    public uint Reserved2;
    public uint Reserved3;
    public uint Reserved4;

    /// <summary>FIEMAP_EXTENT_LAST.</summary>
    public const uint Last = 0x1;
}

/// <summary>struct statfs of 64-bit Linux (asm-generic/statfs.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FileSystemStatus
{
    public long Type;
    public long BlockSize;
    public ulong Blocks;
    public ulong BlocksFree;
    public ulong BlocksAvailable;
    public ulong Files;
    public ulong FilesFree;
    public ulong Id;
    public long NameLength;
    public long FragmentSize;
    public long Flags;
    public fixed long Spare[4];

    /// <summary>HUGETLBFS_MAGIC of linux/magic.h.</summary>
    public const long HugetlbType = 0x958458f6;

    /// <summary>TMPFS_MAGIC of linux/magic.h.</summary>
    public const long TmpfsType = 0x01021994;
}

/// <summary>struct statx of linux/stat.h, as far as it is used; the rest is space.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct ExtendedStatus
{
    [FieldOffset(0)]
    public uint Mask;

    [FieldOffset(8)]
    public ulong Attributes;

    [FieldOffset(28)]
    public ushort Mode;

    [FieldOffset(32)]
    public ulong Inode;

    [FieldOffset(40)]
    public ulong Size;

    [FieldOffset(48)]
    public ulong Blocks;

    [FieldOffset(56)]
    public ulong AttributesMask;

    [FieldOffset(96)]
    public long ChangedSeconds;

    [FieldOffset(104)]
    public uint ChangedNanoseconds;

    [FieldOffset(128)]
    public uint NodeMajor;

    [FieldOffset(132)]
    public uint NodeMinor;

    [FieldOffset(136)]
    public uint DeviceMajor;

    [FieldOffset(140)]
    public uint DeviceMinor;

    /// <summary>STATX_ATTR_DAX: the file is in DAX state now.</summary>
    public const ulong DaxAttribute = 0x00200000;

    /// <summary>STATX_BASIC_STATS.</summary>
    public const uint BasicStatus = 0x7ff;
}

/// <summary>struct file_handle of linux/fcntl.h with room for the longest handle (MAX_HANDLE_SZ).</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FileHandle
{
    public uint Length;
    public int Type;
    public fixed byte Bytes[Longest];

    /// <summary>MAX_HANDLE_SZ.</summary>
    public const int Longest = 128;
}

/// <summary>struct timespec of 64-bit Linux.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct TimeSpec
{
    public long Seconds;
    public long Nanoseconds;
}

/// <summary>Numbers of linux/fs.h and linux/fiemap.h, and the check of the layouts above.</summary>
internal static class KernelAbi
{
    /// <summary>PAGEMAP_SCAN: _IOWR('f', 16, struct pm_scan_arg).</summary>
    public const ulong PageMapScan = 0xC0606610;

    /// <summary>FS_IOC_FIEMAP: _IOWR('f', 11, struct fiemap).</summary>
    public const ulong Fiemap = 0xC020660B;

    /// <summary>PAGE_IS_PRESENT.</summary>
    public const ulong PageIsPresent = 1 << 3;

    /// <summary>PAGE_IS_SWAPPED: any non-none entry that is not present: swap, migration, markers.</summary>
    public const ulong PageIsSwapped = 1 << 4;

    /// <summary>PAGE_IS_HUGE: the leaf stands in a PMD table, or it is hugetlb.</summary>
    public const ulong PageIsHuge = 1 << 6;

    /// <summary>Bits of an entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).</summary>
    public const ulong PagemapPresent = 1UL << 63;

    /// <summary>The page is swapped out.</summary>
    public const ulong PagemapSwapped = 1UL << 62;

    /// <summary>A page of a file or of shared memory: no copy of the process's own.</summary>
    public const ulong PagemapOfFile = 1UL << 61;

    /// <summary>The frame number, zero without CAP_SYS_ADMIN since 4.2.</summary>
    public const ulong PagemapFrameMask = (1UL << 55) - 1;

    /// <summary>Throws if a structure has another size than the kernel's.</summary>
    public static void CheckLayouts()
    {
        Check<PageScanArgument>(96);
        Check<PageRegion>(24);
        Check<FiemapHeader>(32);
        Check<FiemapExtent>(56);
        Check<FileSystemStatus>(120);
        Check<ExtendedStatus>(256);
        Check<FileHandle>(8 + FileHandle.Longest);
        Check<TimeSpec>(16);
    }

    private static void Check<T>(int size)
        where T : unmanaged
    {
        if (Unsafe.SizeOf<T>() != size)
        {
            throw new InvalidOperationException($"{typeof(T).Name} has {Unsafe.SizeOf<T>()} bytes, the kernel's has {size}.");
        }
    }
}
