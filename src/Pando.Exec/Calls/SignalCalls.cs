using System.Runtime.InteropServices;
using Pando.Exec.Files;
using Pando.Exec.Native;
using Pando.Exec.Signals;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Signals: what a program says of them, sends, and waits for.</summary>
internal static class SignalCalls
{
    private const ulong SetLength = 8;
    private const ulong LeastAlternateStack = 2048;

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set[CallNumber.RtSigaction] = Action;
        set[CallNumber.RtSigprocmask] = Mask;
        set[CallNumber.RtSigreturn] = Return;
        set[CallNumber.RtSigpending] = static (task, in call) =>
        {
            lock (task.Process.Sync)
            {
                return task.Write(call.A, (task.Pending.Set | task.Process.Pending.Set) & task.SignalMask) ? 0 : -Error.EFAULT;
            }
        };
        set[CallNumber.RtSigsuspend] = Suspend;
        set[CallNumber.Pause] = static (task, in call) => WaitForHandler(task);
        set[CallNumber.RtSigtimedwait] = TimedWait;
        set[CallNumber.RtSigqueueinfo] = static (task, in call) => Queue(task, (int)call.A, -1, (int)call.B, call.C);
        set[CallNumber.RtTgsigqueueinfo] = static (task, in call) => Queue(task, (int)call.A, (int)call.B, (int)call.C, call.D);
        set[CallNumber.Sigaltstack] = Alternate;
        set[CallNumber.Kill] = Kill;
        set[CallNumber.Tkill] = static (task, in call) => KillTask(task, -1, (int)call.A, (int)call.B);
        set[CallNumber.Tgkill] = static (task, in call) => (int)call.A <= 0 ? -Error.EINVAL : KillTask(task, (int)call.A, (int)call.B, (int)call.C);
        set[CallNumber.Signalfd4] = static (task, in call) => Descriptor(task, call, call.D);
        set[CallNumber.Signalfd] = static (task, in call) => Descriptor(task, call, 0);
    }

    /// <summary>A signal descriptor's readability follows what waits: who is about to poll it has it settled.</summary>
    internal static void Settle(GuestTask task, SignalDescriptor descriptor)
    {
        bool any;
        lock (task.Process.Sync)
        {
            any = ((task.Pending.Set | task.Process.Pending.Set) & descriptor.Mask) != 0;
        }

        if (any)
        {
            descriptor.Tell();
        }
        else
        {
            descriptor.Clear();
        }
    }

    /// <summary>read(2) of a signal descriptor: takes signals of its mask.</summary>
    internal static long ReadDescriptor(GuestTask task, SignalDescriptor descriptor, int host, FileCalls.Part target)
    {
        const int EntryLength = 128;
        const long NonBlocking = 0x800;
        if (target.Length < EntryLength)
        {
            return -Error.EINVAL;
        }

        long done = 0;
        Span<byte> entry = stackalloc byte[EntryLength];
        while ((ulong)done + EntryLength <= target.Length)
        {
            if (!task.TryTakeSignal(descriptor.Mask, out var information))
            {
                if (done > 0)
                {
                    break;
                }

                if ((Host.Call(CallNumber.Fcntl, host, 3 /* F_GETFL */) & NonBlocking) != 0)
                {
                    Settle(task, descriptor);
                    return -Error.EAGAIN;
                }

                long waited = WaitFor(task, descriptor.Mask, long.MaxValue);
                if (waited < 0)
                {
                    return waited;
                }

                continue;
            }

            // struct signalfd_siginfo: ssi_signo, errno, code, pid, uid, ..., status at 40, addr at 72.
            entry.Clear();
            MemoryMarshal.Write(entry, information.Signal);
            MemoryMarshal.Write(entry[8..], information.Code);
            MemoryMarshal.Write(entry[12..], information.Process);
            MemoryMarshal.Write(entry[16..], information.User);
            MemoryMarshal.Write(entry[40..], information.Status);
            MemoryMarshal.Write(entry[48..], information.Value);
            if (!task.Write(target.Address + (ulong)done, entry))
            {
                return done > 0 ? done : -Error.EFAULT;
            }

            done += EntryLength;
        }

        Settle(task, descriptor);
        return done;
    }

    private static long Action(GuestTask task, in CallArguments call)
    {
        int signal = (int)call.A;
        if (signal is < 1 or > SignalNumber.Last || call.D != SetLength || (call.B != 0 && (SignalNumber.Bit(signal) & SignalNumber.Unblockable) != 0))
        {
            return -Error.EINVAL;
        }

        Span<ulong> words = stackalloc ulong[4];
        var process = task.Process;
        var before = process.Actions[signal];
        if (call.B != 0)
        {
            if (!task.Read(call.B, MemoryMarshal.AsBytes(words)))
            {
                return -Error.EFAULT;
            }

            process.Actions[signal] = new SignalAction(words[0], words[1], words[2], words[3] & ~SignalNumber.Unblockable);
            if (process.Actions.Ignores(signal))
            {
                // What waits and is ignored from now on goes.
                lock (process.Sync)
                {
                    process.Pending.Remove(SignalNumber.Bit(signal));
                    task.Pending.Remove(SignalNumber.Bit(signal));
                }
            }
        }

        if (call.C != 0)
        {
            words[0] = before.Handler;
            words[1] = before.Flags;
            words[2] = before.Restorer;
            words[3] = before.Mask;
            return task.Write(call.C, MemoryMarshal.AsBytes(words)) ? 0 : -Error.EFAULT;
        }

        return 0;
    }

    private static long Mask(GuestTask task, in CallArguments call)
    {
        if (call.D != SetLength)
        {
            return -Error.EINVAL;
        }

        ulong before = task.SignalMask;
        if (call.B != 0)
        {
            if (!task.Read(call.B, out ulong set))
            {
                return -Error.EFAULT;
            }

            switch ((int)call.A)
            {
                case 0:
                    task.SignalMask |= set & ~SignalNumber.Unblockable;
                    break;
                case 1:
                    task.SignalMask &= ~set;
                    break;
                case 2:
                    task.SignalMask = set & ~SignalNumber.Unblockable;
                    break;
                default:
                    return -Error.EINVAL;
            }
        }

        return call.C == 0 || task.Write(call.C, before) ? 0 : -Error.EFAULT;
    }

    private static long Return(GuestTask task, in CallArguments call)
    {
        if (!SignalFrame.TryPop(task))
        {
            SignalSender.Force(task, SignalInformation.At(SignalNumber.Segmentation, SignalInformation.FromKernel, 0));
        }

        // RAX came from the frame: no call is under way any more that could be made again.
        task.CallInRax = ulong.MaxValue;
        return ISystemCalls.NoResult;
    }

    private static long Suspend(GuestTask task, in CallArguments call)
    {
        long error = PollCalls.SetMask(task, call.A, call.B);
        return error < 0 ? error : call.A == 0 ? -Error.EFAULT : WaitForHandler(task);
    }

    private static long WaitForHandler(GuestTask task)
    {
        while (!task.MustLook)
        {
            _ = task.Parker.Wait();
        }

        return -Error.RestartNoHandler;
    }

    private static long TimedWait(GuestTask task, in CallArguments call)
    {
        if (call.D != SetLength || !task.Read(call.A, out ulong set))
        {
            return call.D != SetLength ? -Error.EINVAL : -Error.EFAULT;
        }

        set &= ~SignalNumber.Unblockable;
        long deadline = long.MaxValue;
        if (call.C != 0)
        {
            if (!task.Read(call.C, out long seconds) || !task.Read(call.C + 8, out long nanoseconds))
            {
                return -Error.EFAULT;
            }

            if (seconds < 0 || nanoseconds is < 0 or >= 1_000_000_000)
            {
                return -Error.EINVAL;
            }

            deadline = TimeCalls.After(seconds, nanoseconds);
        }

        while (true)
        {
            if (task.TryTakeSignal(set, out var information))
            {
                return call.B == 0 || task.Write(call.B, information) ? information.Signal : -Error.EFAULT;
            }

            long waited = WaitFor(task, set, deadline);
            if (waited < 0)
            {
                return waited == -Error.RestartSystemCall ? -Error.EINTR : waited;
            }
        }
    }

    /// <summary>Waits until a signal of a set is there, or another that the task takes.</summary>
    private static long WaitFor(GuestTask task, ulong set, long deadline)
    {
        task.WaitsFor = set;
        try
        {
            bool inTime = true;
            while (true)
            {
                lock (task.Process.Sync)
                {
                    if (((task.Pending.Set | task.Process.Pending.Set) & set) != 0)
                    {
                        return 0;
                    }
                }

                if (task.MustLook)
                {
                    return -Error.RestartSystemCall;
                }

                if (!inTime)
                {
                    return -Error.EAGAIN;
                }

                inTime = task.Parker.Wait(deadline);
            }
        }
        finally
        {
            task.WaitsFor = 0;
        }
    }

    private static long Alternate(GuestTask task, in CallArguments call)
    {
        var before = task.AlternateStack;
        bool isOn = before.Holds(task.Context.Registers.Rsp);
        if (call.A != 0)
        {
            if (!task.Read(call.A, out ulong start) || !task.Read(call.A + 8, out uint flags) || !task.Read(call.A + 16, out ulong length))
            {
                return -Error.EFAULT;
            }

            if (isOn)
            {
                return -Error.EPERM;
            }

            uint mode = flags & ~AlternateStack.AutoDisarm;
            if (mode is not (0 or AlternateStack.OnStack or AlternateStack.Disabled))
            {
                return -Error.EINVAL;
            }

            if (mode == AlternateStack.Disabled)
            {
                task.AlternateStack = AlternateStack.None;
            }
            else if (length < LeastAlternateStack)
            {
                return -Error.ENOMEM;
            }
            else
            {
                task.AlternateStack = new AlternateStack(start, flags & AlternateStack.AutoDisarm, length);
            }
        }

        if (call.B != 0)
        {
            Span<ulong> words = [before.Start, before.Flags | (isOn ? AlternateStack.OnStack : 0), before.Length];
            return task.Write(call.B, MemoryMarshal.AsBytes(words)) ? 0 : -Error.EFAULT;
        }

        return 0;
    }

    private static long Kill(GuestTask task, in CallArguments call)
    {
        int which = (int)call.A;
        int signal = (int)call.B;
        if (signal is < 0 or > SignalNumber.Last)
        {
            return -Error.EINVAL;
        }

        var information = SignalInformation.Of(Math.Max(signal, 1), SignalInformation.FromUser, task.Process.Id);
        information.Signal = signal;
        switch (which)
        {
            case > 0:
                if (task.System.Table.Process(which) is not { } process)
                {
                    return SendToHost(which, signal);
                }

                return signal == 0 ? 0 : SignalSender.Send(process, information);
            case 0:
                return SignalSender.SendGroup(task.System, task.Process.Group, information);
            case -1:
                long result = -Error.ESRCH;
                foreach (var other in task.System.Table.All)
                {
                    if (other != task.Process && !other.HasEnded)
                    {
                        result = signal == 0 ? 0 : SignalSender.Send(other, information);
                    }
                }

                return result;
            default:
                return SignalSender.SendGroup(task.System, -which, information);
        }
    }

    // A process of the host's that is none of ours: the call has the user's rights. This one itself is out of reach.
    private static long SendToHost(int process, int signal)
    {
        if (process == Environment.ProcessId)
        {
            return -Error.EPERM;
        }

        return Directory.Exists($"/proc/self/task/{process}") ? -Error.ESRCH : Host.Call(CallNumber.Kill, process, signal);
    }

    private static long KillTask(GuestTask task, int processId, int taskId, int signal)
    {
        if (taskId <= 0 || signal is < 0 or > SignalNumber.Last)
        {
            return -Error.EINVAL;
        }

        if (task.System.Table.Task(taskId) is not { } target || (processId > 0 && target.Process.Id != processId))
        {
            return -Error.ESRCH;
        }

        return signal == 0 ? 0 : SignalSender.Send(target, SignalInformation.Of(signal, SignalInformation.FromThread, task.Process.Id));
    }

    private static long Queue(GuestTask task, int processId, int taskId, int signal, ulong at)
    {
        if (!task.Read(at, out SignalInformation information))
        {
            return -Error.EFAULT;
        }

        if (signal is < 0 or > SignalNumber.Last)
        {
            return -Error.EINVAL;
        }

        if (task.System.Table.Process(processId) is not { } process)
        {
            return -Error.ESRCH;
        }

        // What only the kernel says cannot be said to others.
        if ((information.Code >= 0 || information.Code == SignalInformation.FromThread) && process != task.Process)
        {
            return -Error.EPERM;
        }

        information.Signal = signal;
        if (taskId >= 0)
        {
            return task.System.Table.Task(taskId) is { } target && target.Process == process
                ? signal == 0 ? 0 : SignalSender.Send(target, information)
                : -Error.ESRCH;
        }

        return signal == 0 ? 0 : SignalSender.Send(process, information);
    }

    private static long Descriptor(GuestTask task, in CallArguments call, ulong flags)
    {
        const ulong NonBlocking = 0x800;
        if (call.C != SetLength || (flags & ~((ulong)Host.OpenCloseOnExec | NonBlocking)) != 0)
        {
            return -Error.EINVAL;
        }

        if (!task.Read(call.B, out ulong mask))
        {
            return -Error.EFAULT;
        }

        mask &= ~SignalNumber.Unblockable;
        if ((int)call.A != -1)
        {
            using var use = task.Process.Descriptors.Use((int)call.A);
            if (!use.IsOpen || use.Description.Special is not SignalDescriptor existing)
            {
                return use.IsOpen ? -Error.EINVAL : -Error.EBADF;
            }

            existing.Mask = mask;
            return (int)call.A;
        }

        long host = Host.Call(CallNumber.Eventfd2, 0, (long)(flags & NonBlocking) | Host.OpenCloseOnExec);
        if (host < 0)
        {
            return host;
        }

        var descriptor = new SignalDescriptor((int)host, mask);
        long number = task.Process.Descriptors.Add(new OpenDescription((int)host, descriptor), (flags & Host.OpenCloseOnExec) != 0);
        if (number >= 0)
        {
            task.System.SignalDescriptors.Add(descriptor, task.Process);
        }

        return number;
    }
}
