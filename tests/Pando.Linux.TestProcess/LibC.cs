using System.Runtime.InteropServices;

namespace Pando.Linux.TestProcess;

/// <summary>
/// Calls of the C library, made as plain calls (without a transition of the garbage collector): in a forked child the
/// threads that a transition may wait for do not exist.
/// </summary>
internal static unsafe partial class LibC
{
    public const int Shared = 1; // MAP_SHARED
    public const int Private = 2; // MAP_PRIVATE
    public const int WithoutFile = 0x20; // MAP_ANONYMOUS
    public const int FixedNoReplace = 0x100000;
    public const int DontNeed = 4; // MADV_DONTNEED
    public const int DontDump = 16; // MADV_DONTDUMP
    public const int HugePage = 14; // MADV_HUGEPAGE
    public const uint HugetlbMemfd = 4 | (21 << 26); // MFD_HUGETLB | MFD_HUGE_2MB: the default size may be another
    public const int ReadWrite = 2; // O_RDWR
    public const int Name = 15; // PR_SET_NAME
    public const int InstallGuards = 102; // MADV_GUARD_INSTALL
    public const int HugeSegment = 0x800 | (21 << 26); // SHM_HUGETLB | SHM_HUGE_2MB
    public const int CreateSegment = 0x200; // IPC_CREAT
    public const int RemoveSegment = 0; // IPC_RMID
    public const int SameSpace = 0x100; // CLONE_VM
    public const int ChildSignal = 17; // SIGCHLD
    public const int Kill = 9; // SIGKILL
    public const nint MakeSecret = 447; // memfd_secret, on x86-64 and Arm64

    /// <summary>SYS_exit, of one thread.</summary>
    public static nint ExitThread => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 60 : 93;

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "fork")]
    public static partial int Fork();

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "memfd_create")]
    public static partial int CreateMemfd(byte* name, uint flags);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "open")]
    public static partial int Open(byte* path, int flags);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "shmget")]
    public static partial int GetSegment(int key, nuint size, int flags);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "shmat")]
    public static partial void* AttachSegment(int id, void* address, int flags);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "shmctl")]
    public static partial int ControlSegment(int id, int command, void* argument);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "chdir")]
    public static partial int ChangeDirectory(byte* path);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "unshare")]
    public static partial int Unshare(int flags);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "clone")]
    public static partial int Clone(void* function, void* stack, int flags, void* argument);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "kill")]
    public static partial int SendSignal(int process, int signal);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "syscall")]
    public static partial nint SystemCall(nint number, nint argument);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "ftruncate")]
    public static partial int Truncate(int file, long size);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "mmap")]
    public static partial void* Map(void* address, nuint size, int rights, int flags, int file, long offset);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "mprotect")]
    public static partial int Protect(void* address, nuint size, int rights);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "munmap")]
    public static partial int Unmap(void* address, nuint size);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "madvise")]
    public static partial int Advise(void* address, nuint size, int advice);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "write")]
    public static partial nint Write(int file, byte* bytes, nuint count);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "read")]
    public static partial nint Read(int file, byte* bytes, nuint count);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "prctl")]
    public static partial int SetName(int operation, byte* name, nuint unused2, nuint unused3, nuint unused4);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "_exit")]
    public static partial void Exit(int code);
}
