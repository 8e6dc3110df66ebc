using Pando.Exec.Native;
using Pando.Exec.Signals;

namespace Pando.Exec.Tasks;

/// <summary>What a task does before it goes back to ring 3: take its signals, stop, end, and settle how an interrupted call goes on.</summary>
internal static class SignalDelivery
{
    private const ulong SystemCallLength = 2;

    /// <summary>Does all of it.</summary>
    /// <returns>Whether the task has to end.</returns>
    internal static bool DeliverAll(GuestTask task)
    {
        bool handled = false;
        while (true)
        {
            if (task.Process.IsEnding || task.IsEnding || task.EndsForExec)
            {
                return true;
            }

            if (task.Process.IsStopped)
            {
                _ = task.Parker.Wait();
                continue;
            }

            if (!task.TryTakeSignal(~task.SignalMask, out var information))
            {
                break;
            }

            handled |= Deliver(task, information, handled);
        }

        if (!handled)
        {
            RestartCall(task);
            if (task.SavedMask is { } saved)
            {
                task.SignalMask = saved;
                task.SavedMask = null;
            }
        }

        task.CallInRax = ulong.MaxValue;
        return false;
    }

    /// <summary>Acts on one signal.</summary>
    /// <returns>Whether a handler is to run.</returns>
    private static bool Deliver(GuestTask task, in SignalInformation information, bool handledBefore)
    {
        int signal = information.Signal;
        ulong bit = SignalNumber.Bit(signal);
        var process = task.Process;
        var action = process.Actions[signal];
        if (action.IsIgnored)
        {
            return false;
        }

        if (action.IsDefault)
        {
            Default(task, signal, bit);
            return false;
        }

        if (!handledBefore)
        {
            EndCall(task, action);
        }

        ulong mask = task.SavedMask ?? task.SignalMask;
        task.SavedMask = null;
        if (!SignalFrame.TryPush(task, information, action, mask))
        {
            // No room on the stack: SIGSEGV, which has no handler any more where it was that one's frame.
            if (signal == SignalNumber.Segmentation)
            {
                process.Actions[signal] = default;
            }

            SignalSender.Force(task, SignalInformation.At(SignalNumber.Segmentation, SignalInformation.FromKernel, 0));
            return true;
        }

        if ((action.Flags & SignalAction.ResetHandler) != 0)
        {
            process.Actions[signal] = default;
        }

        task.SignalMask |= (action.Mask | ((action.Flags & SignalAction.NoDefer) != 0 ? 0 : bit)) & ~SignalNumber.Unblockable;
        return true;
    }

    private static void Default(GuestTask task, int signal, ulong bit)
    {
        var process = task.Process;
        if ((bit & SignalNumber.IgnoredByDefault) != 0)
        {
            return;
        }

        if ((bit & SignalNumber.Stops) == 0)
        {
            // No core file is written, whatever the signal.
            process.End(signal);
            return;
        }

        lock (process.Sync)
        {
            process.IsStopped = true;
            process.UntoldStop = signal;
        }

        foreach (var other in process.Tasks)
        {
            if (other != task)
            {
                other.Interrupt();
            }
        }

        TaskEnd.TellParent(process, SignalInformation.ChildStopped, signal);
    }

    /// <summary>A handler is to run: an interrupted call ends with EINTR, or is made again after it.</summary>
    private static void EndCall(GuestTask task, in SignalAction action)
    {
        if (task.CallInRax == ulong.MaxValue)
        {
            return;
        }

        ref var registers = ref task.Context.Registers;
        long result = (long)registers.Rax;
        if (result == -Error.RestartSystemCall && (action.Flags & SignalAction.Restart) != 0)
        {
            Again(task);
        }
        else if (result is -Error.RestartSystemCall or -Error.RestartNoHandler)
        {
            registers.Rax = unchecked((ulong)-Error.EINTR);
        }
    }

    private static void RestartCall(GuestTask task)
    {
        if (task.CallInRax != ulong.MaxValue && (long)task.Context.Registers.Rax is -Error.RestartSystemCall or -Error.RestartNoHandler)
        {
            Again(task);
        }
    }

    private static void Again(GuestTask task)
    {
        task.Context.Registers.Rax = task.CallInRax;
        task.Context.Registers.Rip -= SystemCallLength;
    }
}
