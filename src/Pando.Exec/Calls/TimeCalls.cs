using System.Diagnostics;
using System.Runtime.InteropServices;
using Pando.Exec.Native;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Clocks, sleeping, timers.</summary>
internal static class TimeCalls
{
    private const int ProcessClock = 2;
    private const int ThreadClock = 3;

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set[CallNumber.ClockGettime] = Read;
        set.Pass(CallNumber.ClockGetres, "i out:16");
        set.Pass(CallNumber.Gettimeofday, "out:16 out:8");
        set.Pass(CallNumber.Time, "out:8");
        set[CallNumber.Nanosleep] = static (task, in call) => Sleep(task, 1, 0, call.A, call.B);
        set[CallNumber.ClockNanosleep] = static (task, in call) => Sleep(task, (int)call.A, (int)call.B, call.C, call.D);
        set[CallNumber.SchedYield] = static (_, in _) =>
        {
            Thread.Yield();
            return 0;
        };
        set[CallNumber.Alarm] = SetAlarm;
        set[CallNumber.Setitimer] = SetTimer;
        set[CallNumber.Getitimer] = GetTimer;
    }

    /// <summary>The stopwatch's stamp after a time from now.</summary>
    internal static long After(long seconds, long nanoseconds)
    {
        double ticks = ((double)seconds * Stopwatch.Frequency) + (nanoseconds * (Stopwatch.Frequency / 1e9));
        return ticks > long.MaxValue / 4 ? long.MaxValue : Stopwatch.GetTimestamp() + (long)Math.Ceiling(ticks);
    }

    /// <summary>The stopwatch's stamp at a moment of a clock.</summary>
    internal static long At(int clock, long seconds, long nanoseconds)
    {
        var (now, rest) = Now(clock);
        long left = seconds - now;
        long part = nanoseconds - rest;
        return left < 0 || (left == 0 && part <= 0) ? 0 : After(left, part);
    }

    private static unsafe (long Seconds, long Nanoseconds) Now(int clock)
    {
        long* time = stackalloc long[2];
        _ = Host.Call(CallNumber.ClockGettime, clock, (nint)time);
        return (time[0], time[1]);
    }

    private static unsafe long Read(GuestTask task, in CallArguments call)
    {
        int clock = (int)call.A;
        long* time = stackalloc long[2];
        if (clock == ProcessClock)
        {
            // All of the process's tasks: what this one has used stands for it, as the host counts threads.
            clock = ThreadClock;
        }

        long result = Host.Call(CallNumber.ClockGettime, clock, (nint)time);
        return result < 0 ? result : task.Write(call.B, new ReadOnlySpan<byte>(time, 16)) ? 0 : -Error.EFAULT;
    }

    private static unsafe long Sleep(GuestTask task, int clock, int flags, ulong at, ulong leftAt)
    {
        const int Absolute = 1;
        long* time = stackalloc long[4];
        if (!task.Read(at, new Span<byte>(time, 16)))
        {
            return -Error.EFAULT;
        }

        long result = task.Blocking(CallNumber.ClockNanosleep, clock, flags, (nint)time, (nint)(time + 2));
        if (result != -Error.RestartSystemCall)
        {
            return result;
        }

        if ((flags & Absolute) != 0)
        {
            return -Error.RestartNoHandler;
        }

        // Where the sleep had not begun, all of it is left.
        if (time[2] == 0 && time[3] == 0)
        {
            time[2] = time[0];
            time[3] = time[1];
        }

        if (leftAt != 0)
        {
            _ = task.Write(leftAt, new ReadOnlySpan<byte>(time + 2, 16));
        }

        return -Error.EINTR;
    }

    private static long SetAlarm(GuestTask task, in CallArguments call)
    {
        var (_, left) = task.Process.RealTimer.Set((long)(uint)call.A * 1_000_000, 0);
        return (left + 999_999) / 1_000_000;
    }

    private static long SetTimer(GuestTask task, in CallArguments call)
    {
        if (call.A > 2)
        {
            return -Error.EINVAL;
        }

        Span<long> words = stackalloc long[4];
        words.Clear();
        if (call.B != 0 && !task.Read(call.B, MemoryMarshal.AsBytes(words)))
        {
            return -Error.EFAULT;
        }

        if (words[1] is < 0 or >= 1_000_000 || words[3] is < 0 or >= 1_000_000 || words[0] < 0 || words[2] < 0)
        {
            return -Error.EINVAL;
        }

        var timer = TimerOf(task, call.A);
        var (interval, left) = timer.Set(Micro(words[2], words[3]), Micro(words[0], words[1]));
        return call.C == 0 || Write(task, call.C, interval, left) ? 0 : -Error.EFAULT;
    }

    private static long GetTimer(GuestTask task, in CallArguments call)
    {
        if (call.A > 2)
        {
            return -Error.EINVAL;
        }

        var (interval, left) = TimerOf(task, call.A).Left();
        return Write(task, call.B, interval, left) ? 0 : -Error.EFAULT;
    }

    private static ProcessTimer TimerOf(GuestTask task, ulong which) => which switch
    {
        0 => task.Process.RealTimer,
        1 => task.Process.VirtualTimer,
        _ => task.Process.ProfileTimer,
    };

    private static long Micro(long seconds, long micro) => Math.Min(seconds, long.MaxValue / 4_000_000) * 1_000_000 + micro;

    private static bool Write(GuestTask task, ulong at, long interval, long left)
    {
        Span<long> words = [interval / 1_000_000, interval % 1_000_000, left / 1_000_000, left % 1_000_000];
        return task.Write(at, MemoryMarshal.AsBytes(words));
    }
}
