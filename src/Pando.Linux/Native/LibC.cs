using System.Runtime.InteropServices;

namespace Pando.Linux.Native;

/// <summary>The C library's calls that .NET has no equal for. All set the error number.</summary>
internal static unsafe partial class LibC
{
    public const int ReadOnly = 0;
    public const int CloseOnExec = 0x80000;
    public const int NoWaiting = 0x800; // O_NONBLOCK
    public const int NoTerminal = 0x100; // O_NOCTTY
    public const int PermissionDenied = 13; // EACCES
    public const int NotPermitted = 1; // EPERM
    public const int NoSuchFile = 2; // ENOENT
    public const int NoSuchProcess = 3; // ESRCH
    public const int Interrupted = 4; // EINTR
    public const int TooLarge = 27; // EFBIG
    public const int NotATerminalCommand = 25; // ENOTTY: the file has no such ioctl

    /// <summary>O_NOFOLLOW, which Arm has at another place than x86.</summary>
    public static readonly int NoLink = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x8000 : 0x20000;

    static LibC() => KernelAbi.CheckLayouts();

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int file);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int file, byte* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    public static partial nint ReadAt(int file, void* buffer, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Ioctl(int file, ulong request, void* argument);

    [LibraryImport("libc", EntryPoint = "statfs", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int StatFileSystem(string path, FileSystemStatus* status);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int StatExtended(int directory, string path, int flags, uint mask, ExtendedStatus* status);

    [LibraryImport("libc", EntryPoint = "name_to_handle_at", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int NameToHandle(int directory, string path, FileHandle* handle, int* mount, int flags);

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int CreateMemfd(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    public static partial nint SystemCall(nint number, nint first, nint second, nint third, nint fourth, nint fifth);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint EffectiveUser();
}
