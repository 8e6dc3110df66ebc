using System.Runtime.InteropServices;

namespace Pando.Linux.TestProcess;

/// <summary>Calls of the C library, with blittable arguments only: a forked child may not wait for a collection.</summary>
internal static unsafe partial class LibC
{
    public const int Shared = 1; // MAP_SHARED
    public const int Private = 2; // MAP_PRIVATE
    public const int FixedNoReplace = 0x100000;
    public const int DontNeed = 4; // MADV_DONTNEED
    public const int DontDump = 16; // MADV_DONTDUMP
    public const int HugePage = 14; // MADV_HUGEPAGE
    public const uint HugetlbMemfd = 4; // MFD_HUGETLB

    [LibraryImport("libc", EntryPoint = "fork")]
    public static partial int Fork();

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int CreateMemfd(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    public static partial int Truncate(int file, long size);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial void* Map(void* address, nuint size, int rights, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    public static partial int Protect(void* address, nuint size, int rights);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    public static partial int Unmap(void* address, nuint size);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    public static partial int Advise(void* address, nuint size, int advice);

    [LibraryImport("libc", EntryPoint = "write")]
    public static partial nint Write(int file, byte* bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "read")]
    public static partial nint Read(int file, byte* bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "_exit")]
    public static partial void Exit(int code);
}
