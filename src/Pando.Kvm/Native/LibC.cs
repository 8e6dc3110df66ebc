using System.Runtime.InteropServices;

namespace Pando.Kvm.Native;

/// <summary>The C library's functions that reach /dev/kvm; nothing else in this project calls native code.</summary>
/// <remarks>Every function sets errno; <see cref="KvmException.FromErrno"/> reads it through the marshaller's copy.</remarks>
internal static unsafe partial class LibC
{
    internal const int OpenReadWrite = 2;          // O_RDWR
    internal const int OpenCloseOnExec = 0x80000;  // O_CLOEXEC
    internal const int ProtectRead = 1;
    internal const int ProtectWrite = 2;
    internal const int MapShared = 1;
    internal const int MapPrivate = 2;
    internal const int MapAnonymous = 0x20;
    internal const int MapNoReserve = 0x4000;
    internal const int AdviseHugePage = 14;        // MADV_HUGEPAGE
    internal const int SignalBlock = 0;            // SIG_BLOCK
    internal const long SystemCallGetThread = 186; // __NR_gettid, x86-64
    internal const long SystemCallThreadKill = 234; // __NR_tgkill, x86-64

    internal const int ErrorNoProcess = 3;         // ESRCH
    internal const int ErrorInterrupted = 4;       // EINTR
    internal const int ErrorAgain = 11;            // EAGAIN
    internal const int ErrorFault = 14;            // EFAULT

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    internal static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int Ioctl(int descriptor, nuint request, nuint argument);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int Ioctl(int descriptor, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    internal static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    internal static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    internal static partial int Advise(nint address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint SystemCall(nint number, nint first, nint second, nint third);

    // Returns the error instead of setting errno (POSIX pthread_sigmask).
    [LibraryImport("libc", EntryPoint = "pthread_sigmask")]
    internal static partial int ThreadSignalMask(int how, SignalSet* set, SignalSet* old);

    [LibraryImport("libc", EntryPoint = "sigtimedwait", SetLastError = true)]
    internal static partial int SignalTimedWait(SignalSet* set, void* information, TimeSpecification* timeout);

    /// <summary>The calling thread's kernel id (gettid).</summary>
    internal static int CurrentThread() => (int)SystemCall((nint)SystemCallGetThread, 0, 0, 0);

    /// <summary>Sends <paramref name="signal"/> to one thread of this process. A thread that has ended is no error.</summary>
    /// <exception cref="KvmException">It could not be sent.</exception>
    internal static void SignalThread(int thread, int signal)
    {
        if (SystemCall((nint)SystemCallThreadKill, Environment.ProcessId, thread, signal) != 0 && Marshal.GetLastPInvokeError() != ErrorNoProcess)
        {
            throw KvmException.FromErrno($"tgkill of a vCPU's thread with signal {signal}");
        }
    }

    /// <summary>sigset_t of glibc and musl: 1,024 bits, of which the kernel knows the first 64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct SignalSet
    {
        internal ulong Kernel;
        internal fixed ulong Rest[15];
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct TimeSpecification
    {
        internal long Seconds;
        internal long Nanoseconds;
    }
}
