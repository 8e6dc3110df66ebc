using System.Diagnostics;
using System.Runtime.InteropServices;
using Pando.Exec.Native;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Limits, what has been used, and the scheduler.</summary>
internal static class LimitCalls
{
    private const int OpenFiles = 7; // RLIMIT_NOFILE
    private const ulong Unlimited = ulong.MaxValue;

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set[CallNumber.Prlimit64] = Limit;
        set[CallNumber.Getrlimit] = static (task, in call) => Limit(task, new CallArguments(0, call.A, 0, call.B, 0, 0));
        set[CallNumber.Setrlimit] = static (task, in call) => Limit(task, new CallArguments(0, call.A, call.B, 0, 0, 0));
        set[CallNumber.Getrusage] = static (task, in call) => (int)call.A is not (0 or -1 or 1)
            ? -Error.EINVAL
            : task.Write(call.B, Usage((int)call.A == -1 ? task.Process.ChildrenTicks : task.Process.Ticks)) ? 0 : -Error.EFAULT;
        set[CallNumber.Times] = Times;
        set.Pass(CallNumber.Getcpu, "out:4 out:4");
        set[CallNumber.SchedGetaffinity] = Affinity;
        set[CallNumber.SchedSetaffinity] = static (task, in call) => 0;
        set[CallNumber.SchedGetscheduler] = static (task, in call) => 0;
        set[CallNumber.SchedSetscheduler] = static (task, in call) => (int)call.B is 0 or 3 or 5 ? 0 : -Error.EPERM;
        set[CallNumber.SchedGetparam] = static (task, in call) => task.Write(call.B, 0) ? 0 : -Error.EFAULT;
        set[CallNumber.SchedSetparam] = static (task, in call) => 0;
        set[CallNumber.SchedGetPriorityMax] = static (_, in call) => (int)call.A is 1 or 2 ? 99 : 0;
        set[CallNumber.SchedGetPriorityMin] = static (_, in call) => (int)call.A is 1 or 2 ? 1 : 0;
        set[CallNumber.Getpriority] = static (_, in _) => 20;
        set[CallNumber.Setpriority] = static (_, in call) => (int)call.C >= 0 ? 0 : -Error.EACCES;
        set.Pass(CallNumber.IoprioGet, "i i");
    }

    /// <summary>struct rusage of a time on processors.</summary>
    internal static RusageBytes Usage(long ticks)
    {
        var usage = default(RusageBytes);
        long micro = (long)(ticks / (Stopwatch.Frequency / 1e6));
        usage[0] = micro / 1_000_000;
        usage[1] = micro % 1_000_000;
        return usage;
    }

    private static long Limit(GuestTask task, in CallArguments call)
    {
        int which = (int)call.B;
        if (which is < 0 or > 15)
        {
            return -Error.EINVAL;
        }

        var process = (int)call.A == 0 ? task.Process : task.System.Table.Process((int)call.A);
        if (process is null)
        {
            return -Error.ESRCH;
        }

        Span<ulong> limits = stackalloc ulong[2];
        if (call.D != 0)
        {
            (limits[0], limits[1]) = process.Limits.Get(which, process.Descriptors.Limit);
            if (!task.Write(call.D, MemoryMarshal.AsBytes(limits)))
            {
                return -Error.EFAULT;
            }
        }

        if (call.C != 0)
        {
            if (!task.Read(call.C, MemoryMarshal.AsBytes(limits)))
            {
                return -Error.EFAULT;
            }

            if (limits[0] > limits[1])
            {
                return -Error.EINVAL;
            }

            if (which == OpenFiles)
            {
                if (limits[1] > (ulong)ResourceLimits.MostOpenFiles)
                {
                    return -Error.EPERM;
                }

                process.Descriptors.Limit = (int)limits[0];
            }

            process.Limits.Set(which, limits[0], limits[1]);
        }

        return 0;
    }

    private static long Times(GuestTask task, in CallArguments call)
    {
        const long TicksPerSecond = 100;
        if (call.A != 0)
        {
            Span<long> times = [task.Process.Ticks * TicksPerSecond / Stopwatch.Frequency, 0, task.Process.ChildrenTicks * TicksPerSecond / Stopwatch.Frequency, 0];
            if (!task.Write(call.A, MemoryMarshal.AsBytes(times)))
            {
                return -Error.EFAULT;
            }
        }

        return Stopwatch.GetTimestamp() / (Stopwatch.Frequency / TicksPerSecond);
    }

    private static unsafe long Affinity(GuestTask task, in CallArguments call)
    {
        const int Length = 128;
        byte* mask = stackalloc byte[Length];
        long result = Host.Call(CallNumber.SchedGetaffinity, 0, Length, (nint)mask);
        if (result < 0)
        {
            return result;
        }

        int length = (int)Math.Min(result, Length);
        return call.B < (ulong)length ? -Error.EINVAL : task.Write(call.C, new ReadOnlySpan<byte>(mask, length)) ? length : -Error.EFAULT;
    }

    /// <summary>struct rusage: 18 words, times first.</summary>
    [System.Runtime.CompilerServices.InlineArray(18)]
    internal struct RusageBytes
    {
        private long _word;
    }
}
