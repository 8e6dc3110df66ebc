using System.Runtime.InteropServices;

namespace Pando.Exec.Native;

/// <summary>The host's own system calls: all native code that this project calls.</summary>
internal static unsafe partial class Host
{
    internal const int AtFdCwd = -100;         // AT_FDCWD
    internal const int AtEmptyPath = 0x1000;   // AT_EMPTY_PATH
    internal const int OpenPath = 0x200000;    // O_PATH
    internal const int OpenDirectory = 0x10000; // O_DIRECTORY
    internal const int OpenCloseOnExec = 0x80000; // O_CLOEXEC
    internal const int OpenReadWrite = 2;      // O_RDWR

    internal const int ProtectNone = 0;
    internal const int ProtectRead = 1;
    internal const int ProtectWrite = 2;
    internal const int MapShared = 1;
    internal const int MapPrivate = 2;
    internal const int MapFixed = 0x10;
    internal const int MapAnonymous = 0x20;
    internal const int MapNoReserve = 0x4000;

    /// <summary>Makes a system call.</summary>
    /// <returns>Its result, or the negative error.</returns>
    internal static long Call(CallNumber number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0)
    {
        nint result = SystemCall((nint)number, (nint)a, (nint)b, (nint)c, (nint)d, (nint)e, (nint)f);
        return result == -1 ? -Marshal.GetLastPInvokeError() : result;
    }

    /// <summary>The calling thread's kernel id.</summary>
    internal static int CurrentThread() => (int)Call(CallNumber.Gettid);

    /// <summary>The longest path, its end included (PATH_MAX).</summary>
    internal const int LongestPath = 4096;

    /// <summary>The path of what a descriptor of the host's has open.</summary>
    internal static byte[]? PathOf(int descriptor)
    {
        var buffer = new byte[LongestPath];
        byte[] link = [.. System.Text.Encoding.ASCII.GetBytes($"/proc/self/fd/{descriptor}"), 0];
        long length;
        fixed (byte* target = buffer)
        {
            length = CallWithPath(CallNumber.Readlinkat, AtFdCwd, link, (nint)target, buffer.Length);
        }

        return length < 0 ? null : buffer[..(int)length];
    }

    /// <summary>Closes a descriptor of the host's.</summary>
    internal static void Close(int descriptor) => _ = Call(CallNumber.Close, descriptor);

    /// <summary>Another descriptor of the host's for what one has open, closed by exec (F_DUPFD_CLOEXEC).</summary>
    /// <returns>The descriptor, 3 or more, or the negative error.</returns>
    internal static long Duplicate(int descriptor) => Call(CallNumber.Fcntl, descriptor, 1030, 3);

    /// <summary>This process's umask, as the kernel tells it; what programs begin with.</summary>
    internal static int Umask()
    {
        const int Usual = 18; // 022
        string? line = File.ReadLines("/proc/self/status").FirstOrDefault(static line => line.StartsWith("Umask:", StringComparison.Ordinal));
        return line is null ? Usual : Convert.ToInt32(line["Umask:".Length..].Trim(), 8);
    }

    /// <summary>
    /// Gives the calling thread a umask of its own, which is 0: programs' own masks are applied before the host is asked to make
    /// anything. Where the host does not let threads have one of their own, it is the whole process's.
    /// </summary>
    internal static void ClearOwnUmask()
    {
        const long FileSystemContext = 0x200; // CLONE_FS
        _ = Call(CallNumber.Unshare, FileSystemContext);
        _ = Call(CallNumber.Umask, 0);
    }

    /// <summary>fstat(2).</summary>
    /// <returns>0 or the negative error.</returns>
    internal static long Stat(int descriptor, out HostStat stat)
    {
        fixed (HostStat* target = &stat)
        {
            return Call(CallNumber.Fstat, descriptor, (nint)target);
        }
    }

    /// <summary>A path, as a call takes it.</summary>
    internal static long CallWithPath(CallNumber number, int directory, ReadOnlySpan<byte> path, long c = 0, long d = 0, long e = 0)
    {
        fixed (byte* text = path)
        {
            return Call(number, directory, (nint)text, c, d, e);
        }
    }

    /// <summary>
    /// Has a signal do nothing but end the system call that the thread waits in: it has a handler, since an ignored one ends none,
    /// and no SA_RESTART. The handler is abs(3) of the C library: a function that takes an int and touches nothing, so that no
    /// managed code runs in a signal's handler.
    /// </summary>
    internal static void MakeInterrupting(int signal)
    {
        var action = new SignalAction { Handler = NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), "abs") };
        if (SetAction(signal, &action, null) != 0)
        {
            throw new InvalidOperationException($"sigaction of signal {signal} failed: {Marshal.GetLastPInvokeErrorMessage()}.");
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint a, nint b, nint c, nint d, nint e, nint f);

    [LibraryImport("libc", EntryPoint = "sigaction", SetLastError = true)]
    private static partial int SetAction(int signal, SignalAction* action, SignalAction* old);

    /// <summary>struct sigaction of glibc and musl on x86-64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct SignalAction
    {
        public nint Handler;
        public fixed ulong Mask[16];
        public int Flags;
        public nint Restorer;
    }
}
