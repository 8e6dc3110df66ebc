using Pando.Exec.Native;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Futexes.</summary>
internal static class FutexCalls
{
    // linux/futex.h.
    private const ulong PrivateFlag = 128;
    private const ulong RealTimeFlag = 256;

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set[CallNumber.Futex] = Serve;
        set[CallNumber.SetRobustList] = static (task, in call) =>
        {
            if (call.B != 24)
            {
                return -Error.EINVAL;
            }

            task.RobustList = call.A;
            return 0;
        };
        set[CallNumber.GetRobustList] = static (task, in call) =>
            ((int)call.A == 0 ? task : task.System.Table.Task((int)call.A)) is not { } other ? -Error.ESRCH
                : task.Write(call.B, other.RobustList) && task.Write(call.C, 24UL) ? 0 : -Error.EFAULT;
    }

    private static long Serve(GuestTask task, in CallArguments call)
    {
        bool isPrivate = (call.B & PrivateFlag) != 0;
        var futexes = task.System.Futexes;
        var memory = task.Process.Memory;
        ulong operation = call.B & ~(PrivateFlag | RealTimeFlag);
        if ((call.A & 3) != 0)
        {
            return -Error.EINVAL;
        }

        switch (operation)
        {
            case 0: // FUTEX_WAIT: the time is from now
                return Wait(task, call, isPrivate, uint.MaxValue, isAbsolute: false);
            case 9: // FUTEX_WAIT_BITSET: the time is a moment
                return (uint)call.F == 0 ? -Error.EINVAL : Wait(task, call, isPrivate, (uint)call.F, isAbsolute: true);
            case 1: // FUTEX_WAKE
                return futexes.Wake(memory, call.A, isPrivate, Math.Max((int)call.C, 1), uint.MaxValue);
            case 10: // FUTEX_WAKE_BITSET
                return (uint)call.F == 0 ? -Error.EINVAL : futexes.Wake(memory, call.A, isPrivate, Math.Max((int)call.C, 1), (uint)call.F);
            case 3: // FUTEX_REQUEUE
                return (int)call.C < 0 || (int)call.D < 0 ? -Error.EINVAL
                    : futexes.Requeue(memory, call.A, call.E, isPrivate, (int)call.C, (int)call.D, null);
            case 4: // FUTEX_CMP_REQUEUE
                return (int)call.C < 0 || (int)call.D < 0 ? -Error.EINVAL
                    : futexes.Requeue(memory, call.A, call.E, isPrivate, (int)call.C, (int)call.D, (uint)call.F);
            case 5: // FUTEX_WAKE_OP
                return WakeOperation(task, call, isPrivate);
            default:
                // Priority inheritance is not served: glibc then does without.
                return -Error.ENOSYS;
        }
    }

    private static long Wait(GuestTask task, in CallArguments call, bool isPrivate, uint bits, bool isAbsolute)
    {
        long deadline = long.MaxValue;
        if (call.D != 0)
        {
            if (!task.Read(call.D, out long seconds) || !task.Read(call.D + 8, out long nanoseconds))
            {
                return -Error.EFAULT;
            }

            if (seconds < 0 || nanoseconds is < 0 or >= 1_000_000_000)
            {
                return -Error.EINVAL;
            }

            deadline = isAbsolute
                ? TimeCalls.At((call.B & RealTimeFlag) != 0 ? 0 : 1, seconds, nanoseconds)
                : TimeCalls.After(seconds, nanoseconds);
        }

        long result = task.System.Futexes.Wait(task, call.A, isPrivate, (uint)call.C, bits, deadline);

        // With a time from now it is not made again, or the time would begin anew.
        return result == -Error.RestartSystemCall && call.D != 0 && !isAbsolute ? -Error.EINTR : result;
    }

    private static long WakeOperation(GuestTask task, in CallArguments call, bool isPrivate)
    {
        uint encoded = (uint)call.F;
        uint operation = encoded >> 28 & 7;
        bool isShift = (encoded >> 28 & 8) != 0;
        uint comparison = encoded >> 24 & 15;
        uint operand = (uint)((int)(encoded << 8) >> 20);
        uint compared = (uint)((int)(encoded << 20) >> 20);
        operand = isShift ? 1u << (int)(operand & 31) : operand;
        var memory = task.Process.Memory;
        bool changed = task.System.Memory.TryChange(
            memory.Space,
            call.E,
            before => operation switch
            {
                0 => operand,
                1 => before + operand,
                2 => before | operand,
                3 => before & ~operand,
                4 => before ^ operand,
                _ => before,
            },
            out uint seen);
        if (!changed || operation > 4 || comparison > 5)
        {
            return changed ? -Error.ENOSYS : -Error.EFAULT;
        }

        bool holds = comparison switch
        {
            0 => seen == compared,
            1 => seen != compared,
            2 => (int)seen < (int)compared,
            3 => (int)seen <= (int)compared,
            4 => (int)seen > (int)compared,
            _ => (int)seen >= (int)compared,
        };
        long woken = task.System.Futexes.Wake(memory, call.A, isPrivate, (int)call.C, uint.MaxValue);
        if (woken < 0 || !holds)
        {
            return woken;
        }

        long more = task.System.Futexes.Wake(memory, call.E, isPrivate, (int)call.D, uint.MaxValue);
        return more < 0 ? more : woken + more;
    }
}
