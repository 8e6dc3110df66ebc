using Pando.Exec.Native;
using Pando.Exec.Signals;

namespace Pando.Exec.Tasks;

/// <summary>Sends signals (kernel/signal.c, send_signal and what it calls). Safe for threads.</summary>
internal static class SignalSender
{
    /// <summary>Sends a process a signal, which any of its tasks may take.</summary>
    /// <returns>0, or EAGAIN where too many real-time signals wait.</returns>
    internal static long Send(GuestProcess process, in SignalInformation information) => Send(process, null, information);

    /// <summary>Sends one task a signal.</summary>
    internal static long Send(GuestTask task, in SignalInformation information) => Send(task.Process, task, information);

    /// <summary>
    /// Sends the task the signal of what its own instruction did: it cannot be blocked or ignored; where it is, it ends the process.
    /// </summary>
    internal static void Force(GuestTask task, in SignalInformation information)
    {
        ulong bit = SignalNumber.Bit(information.Signal);
        var action = task.Process.Actions[information.Signal];
        if ((task.SignalMask & bit) != 0 || action.IsIgnored)
        {
            task.Process.Actions[information.Signal] = default;
            task.SignalMask &= ~bit;
        }

        lock (task.Process.Sync)
        {
            _ = task.Pending.TryAdd(information);
        }
    }

    /// <summary>Sends all processes of a group a signal.</summary>
    internal static long SendGroup(GuestSystem system, int group, in SignalInformation information)
    {
        long result = -Error.ESRCH;
        foreach (var process in system.Table.All)
        {
            if (process.Group == group && !process.HasEnded)
            {
                long error = information.Signal == 0 ? 0 : Send(process, information);
                result = error == 0 || result == -Error.ESRCH ? error : result;
            }
        }

        return result;
    }

    private static long Send(GuestProcess process, GuestTask? target, in SignalInformation information)
    {
        int signal = information.Signal;
        ulong bit = SignalNumber.Bit(signal);
        var tasks = process.Tasks;
        GuestTask? taker;
        bool continues = false;
        lock (process.Sync)
        {
            if (process.HasEnded || process.IsEnding)
            {
                return 0;
            }

            if (signal is SignalNumber.Continue or SignalNumber.Kill)
            {
                Remove(process, tasks, SignalNumber.Stops);
                continues = process.IsStopped;
                process.IsStopped = false;
                process.UntoldStop = 0;
                process.UntoldContinue |= continues && signal == SignalNumber.Continue;
            }
            else if ((bit & SignalNumber.Stops) != 0)
            {
                Remove(process, tasks, SignalNumber.Bit(SignalNumber.Continue));
            }

            bool isBlocked = target is not null
                ? (target.SignalMask & bit) != 0
                : Array.TrueForAll(tasks, task => (task.SignalMask & bit) != 0);
            if (!isBlocked && process.Actions.Ignores(signal) && !IsWaitedFor(tasks, bit))
            {
                taker = null;
            }
            else
            {
                if (!(target?.Pending ?? process.Pending).TryAdd(information))
                {
                    return -Error.EAGAIN;
                }

                taker = target ?? Array.Find(tasks, task => (task.SignalMask & bit) == 0 || (task.WaitsFor & bit) != 0);
            }
        }

        foreach (var watcher in process.System.SignalDescriptors.Of(process))
        {
            watcher.Tell();
        }

        if (continues)
        {
            foreach (var task in tasks)
            {
                task.Interrupt();
            }

            process.Parent?.WakeWaiting();
        }

        if (signal == SignalNumber.Kill)
        {
            process.End(SignalNumber.Kill);
        }
        else
        {
            taker?.Interrupt();
        }

        return 0;
    }

    // sigwait(3) takes signals that are ignored by default too, while it waits.
    private static bool IsWaitedFor(GuestTask[] tasks, ulong bit) => Array.Exists(tasks, task => (task.WaitsFor & bit) != 0);

    private static void Remove(GuestProcess process, GuestTask[] tasks, ulong signals)
    {
        process.Pending.Remove(signals);
        foreach (var task in tasks)
        {
            task.Pending.Remove(signals);
        }
    }
}
