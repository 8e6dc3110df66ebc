using System.Runtime.InteropServices;

namespace Pando.FileSystems.Native;

/// <summary>The C library's calls that .NET has no equal for. All set the error number.</summary>
internal static unsafe partial class LibC
{
    public const int ReadOnly = 0;
    public const int ReadWrite = 2;
    public const int Exclusive = 0x80; // O_EXCL: of a block device without O_CREAT, nobody else has it exclusively or mounted
    public const int NoWaiting = 0x800; // O_NONBLOCK: a pipe does not wait for its other end
    public const int CloseOnExec = 0x80000;
    public const int Busy = 16; // EBUSY
    public const int CurrentDirectory = -100; // AT_FDCWD
    public const int EmptyPath = 0x1000; // AT_EMPTY_PATH
    public const int SetDescriptionLock = 37; // F_OFD_SETLK
    public const ulong DeviceSize = 0x80081272; // BLKGETSIZE64
    public const ulong LoopStatus = 0x4C05; // LOOP_GET_STATUS64

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Ioctl(SafeHandle file, ulong request, void* argument);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Control(SafeHandle file, int command, void* argument);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int Status(SafeHandle directory, string path, int flags, uint mask, void* status);
}
