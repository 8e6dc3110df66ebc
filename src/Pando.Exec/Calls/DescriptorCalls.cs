using System.Runtime.InteropServices;
using Pando.Exec.Files;
using Pando.Exec.Native;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Descriptors as such: copies, pipes, flags, devices' controls.</summary>
internal static class DescriptorCalls
{
    private const ulong CloseOnExec = Host.OpenCloseOnExec;

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set[CallNumber.Close] = static (task, in call) => task.Process.Descriptors.Close((int)call.A);
        set[CallNumber.CloseRange] = CloseRange;
        set[CallNumber.Dup] = static (task, in call) => Duplicate(task, (int)call.A, 0, closes: false);
        set[CallNumber.Dup2] = static (task, in call) => DuplicateTo(task, (int)call.A, (int)call.B, closes: false, sameIsFine: true);
        set[CallNumber.Dup3] = static (task, in call) =>
            (call.C & ~CloseOnExec) != 0 ? -Error.EINVAL : DuplicateTo(task, (int)call.A, (int)call.B, call.C != 0, sameIsFine: false);
        set[CallNumber.Pipe] = static (task, in call) => Pair(task, CallNumber.Pipe2, 0, 0, 0, call.A, closes: false);
        set[CallNumber.Pipe2] = static (task, in call) => Pair(task, CallNumber.Pipe2, (long)call.B, 0, 0, call.A, (call.B & CloseOnExec) != 0);
        set[CallNumber.Socketpair] = static (task, in call) =>
            Pair(task, CallNumber.Socketpair, (int)call.A, (int)call.B, (int)call.C, call.D, (call.B & CloseOnExec) != 0);
        set[CallNumber.Fcntl] = Control;
        set[CallNumber.Ioctl] = DeviceControl;
        set.Pass(CallNumber.Eventfd2, "i i =f:1");
        set.Pass(CallNumber.Eventfd, "i =f");
        set.Pass(CallNumber.MemfdCreate, "s i =f");
        set.Pass(CallNumber.TimerfdCreate, "i i =f:1");
        set.Pass(CallNumber.TimerfdSettime, "f i in:32 out:32");
        set.Pass(CallNumber.TimerfdGettime, "f out:32");
    }

    private static long CloseRange(GuestTask task, in CallArguments call)
    {
        const ulong Unshare = 2;
        const ulong OnlyMark = 4;
        long first = (uint)call.A;
        long last = (uint)call.B;
        if (first > last || (call.C & ~(Unshare | OnlyMark)) != 0)
        {
            return -Error.EINVAL;
        }

        if ((call.C & OnlyMark) != 0)
        {
            task.Process.Descriptors.MarkRange(first, last);
        }
        else
        {
            task.Process.Descriptors.CloseRange(first, last);
        }

        return 0;
    }

    private static long Duplicate(GuestTask task, int number, long least, bool closes)
    {
        using var use = task.Process.Descriptors.Use(number);
        return use.IsOpen && use.Description.TryKeep() ? task.Process.Descriptors.Add(use.Description, closes, least) : -Error.EBADF;
    }

    private static long DuplicateTo(GuestTask task, int number, int target, bool closes, bool sameIsFine)
    {
        using var use = task.Process.Descriptors.Use(number);
        if (!use.IsOpen)
        {
            return -Error.EBADF;
        }

        if (number == target)
        {
            return sameIsFine ? target : -Error.EINVAL;
        }

        _ = use.Description.TryKeep();
        return task.Process.Descriptors.Set(target, use.Description, closes);
    }

    private static unsafe long Pair(GuestTask task, CallNumber number, long a, long b, long c, ulong target, bool closes)
    {
        int* host = stackalloc int[2];
        long result = number == CallNumber.Pipe2 ? Host.Call(number, (nint)host, a) : Host.Call(number, a, b, c, (nint)host);
        if (result < 0)
        {
            return result;
        }

        var descriptors = task.Process.Descriptors;
        long first = descriptors.Add(new OpenDescription(host[0]), closes);
        long second = first < 0 ? first : descriptors.Add(new OpenDescription(host[1]), closes);
        if (first < 0)
        {
            Host.Close(host[1]);
            return first;
        }

        if (second < 0)
        {
            _ = descriptors.Close(first);
            return second;
        }

        if (!task.Write(target, MemoryMarshal.AsBytes([(int)first, (int)second])))
        {
            _ = descriptors.Close(first);
            _ = descriptors.Close(second);
            return -Error.EFAULT;
        }

        return 0;
    }

    // fcntl(2): the commands, by linux/fcntl.h and asm-generic/fcntl.h.
    private static long Control(GuestTask task, in CallArguments call)
    {
        var descriptors = task.Process.Descriptors;
        int number = (int)call.A;
        switch ((int)call.B)
        {
            case 0: // F_DUPFD
                return Duplicate(task, number, (int)call.C, closes: false);
            case 1030: // F_DUPFD_CLOEXEC
                return Duplicate(task, number, (int)call.C, closes: true);
            case 1: // F_GETFD
                return descriptors.ClosesOnExec(number) is { } closes ? (closes ? 1 : 0) : -Error.EBADF;
            case 2: // F_SETFD
                return descriptors.SetCloseOnExec(number, (call.C & 1) != 0);
            case 5: // F_GETLK; as of the open file description, since all processes are one to the host
                return Lock(task, number, 36, call.C, waits: false);
            case 6: // F_SETLK
                return Lock(task, number, 37, call.C, waits: false);
            case 7: // F_SETLKW
                return Lock(task, number, 38, call.C, waits: true);
            case 36 or 37:
                return Lock(task, number, (int)call.B, call.C, waits: false);
            case 38:
                return Lock(task, number, 38, call.C, waits: true);
            case 3 or 4 or 9 or 11 or 1024 or 1025 or 1026 or 1031 or 1032 or 1033 or 1034:
                // F_GETFL, F_SETFL, F_GETOWN, F_GETSIG, leases, notifications, pipes' sizes, seals: numbers alone.
                using (var use = descriptors.Use(number))
                {
                    return Host.Call(CallNumber.Fcntl, use.Host, (int)call.B, (long)call.C);
                }

            case 8 or 10: // F_SETOWN, F_SETSIG: signals of the host's would go to this process
                return descriptors.ClosesOnExec(number) is null ? -Error.EBADF : 0;
            default:
                return -Error.EINVAL;
        }
    }

    private static unsafe long Lock(GuestTask task, int number, int command, ulong at, bool waits)
    {
        const int Length = 32;
        byte* bytes = stackalloc byte[Length];
        if (!task.Read(at, new Span<byte>(bytes, Length)))
        {
            return -Error.EFAULT;
        }

        // l_pid must be 0 for locks of descriptions.
        *(int*)(bytes + 24) = 0;
        using var use = task.Process.Descriptors.Use(number);
        long result = waits
            ? task.Blocking(CallNumber.Fcntl, use.Host, command, (nint)bytes)
            : Host.Call(CallNumber.Fcntl, use.Host, command, (nint)bytes);
        return result == 0 && command == 36 && !task.Write(at, new ReadOnlySpan<byte>(bytes, Length)) ? -Error.EFAULT : result;
    }

    private static unsafe long DeviceControl(GuestTask task, in CallArguments call)
    {
        const uint FileIsAsync = 0x5452;
        uint request = (uint)call.B;
        using var use = task.Process.Descriptors.Use((int)call.A);
        if (!use.IsOpen)
        {
            return -Error.EBADF;
        }

        switch (request)
        {
            case 0x5451: // FIOCLEX
                return task.Process.Descriptors.SetCloseOnExec((int)call.A, true);
            case 0x5450: // FIONCLEX
                return task.Process.Descriptors.SetCloseOnExec((int)call.A, false);
            case FileIsAsync:
                return 0;
            case 0x540F: // TIOCGPGRP: the terminal's group is of the host's processes; ours stands for the first program's
                return IsTerminal(use.Host) ? task.Write(call.C, task.System.TerminalGroup) ? 0 : -Error.EFAULT : -Error.ENOTTY;
            case 0x5410: // TIOCSPGRP
                if (!IsTerminal(use.Host))
                {
                    return -Error.ENOTTY;
                }

                if (!task.Read(call.C, out int group))
                {
                    return -Error.EFAULT;
                }

                task.System.TerminalGroup = group;
                return 0;
            case 0x5429: // TIOCGSID
                return IsTerminal(use.Host) ? task.Write(call.C, task.Process.Session) ? 0 : -Error.EFAULT : -Error.ENOTTY;
            case 0x540E or 0x5422: // TIOCSCTTY, TIOCNOTTY
                return 0;
        }

        int length = LengthOf(request, out bool isKnown);
        if (!isKnown)
        {
            return -Error.ENOTTY;
        }

        if (length == 0)
        {
            return Host.Call(CallNumber.Ioctl, use.Host, request, (long)call.C);
        }

        byte* bytes = stackalloc byte[length];
        bool read = task.Read(call.C, new Span<byte>(bytes, length));
        long result = Host.Call(CallNumber.Ioctl, use.Host, request, (nint)bytes);
        return result < 0 ? result : !read && IsInput(request) ? -Error.EFAULT
            : !IsInput(request) && !task.Write(call.C, new ReadOnlySpan<byte>(bytes, length)) ? -Error.EFAULT : result;
    }

    private static bool IsTerminal(int descriptor)
    {
        unsafe
        {
            byte* bytes = stackalloc byte[64];
            return Host.Call(CallNumber.Ioctl, descriptor, 0x5401, (nint)bytes) == 0;
        }
    }

    // What a request's pointer leads to (asm-generic/ioctls.h; others say their length themselves, asm-generic/ioctl.h). Requests that
    // lead to pointers in turn are not passed on.
    private static int LengthOf(uint request, out bool isKnown)
    {
        isKnown = true;
        switch (request)
        {
            case 0x5401 or 0x5402 or 0x5403 or 0x5404: // TCGETS, TCSETS, TCSETSW, TCSETSF
                return 36;
            case 0x5413 or 0x5414: // TIOCGWINSZ, TIOCSWINSZ
                return 8;
            case 0x541B or 0x5411 or 0x5421: // FIONREAD, TIOCOUTQ, FIONBIO
                return 4;
            case 0x5405 or 0x5406 or 0x5407 or 0x5408: // TCGETA and its like
                return 18;
            case 0x5409 or 0x540A or 0x540B or 0x5425: // TCSBRK, TCXONC, TCFLSH, TCSBRKP: a number
                return 0;
            case 0x40049409: // FICLONE: a descriptor
                isKnown = false;
                return 0;
            case 0x80086601 or 0x40086602 or 0x80045430 or 0x40045431: // FS_IOC_GETFLAGS, SETFLAGS, TIOCGPTN, TIOCSPTLCK
                return (int)(request >> 16 & 0x3FFF);
            default:
                isKnown = false;
                return 0;
        }
    }

    private static bool IsInput(uint request) => request is 0x5402 or 0x5403 or 0x5404 or 0x5414 or 0x5421 or 0x5406 or 0x5407 or 0x5408 or 0x40086602 or 0x40045431;
}
