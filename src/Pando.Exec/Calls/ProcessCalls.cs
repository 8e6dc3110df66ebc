using System.Text;
using Pando.Exec.Native;
using Pando.Exec.Programs;
using Pando.Exec.Signals;
using Pando.Exec.Tasks;
using Pando.Kvm.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Processes and tasks: beginnings, ends, waiting, groups and sessions.</summary>
internal static class ProcessCalls
{
    // linux/sched.h.
    private const ulong CloneMemory = 0x100;
    private const ulong CloneFileContext = 0x200;
    private const ulong CloneDescriptors = 0x400;
    private const ulong CloneActions = 0x800;
    private const ulong CloneVfork = 0x4000;
    private const ulong CloneParent = 0x8000;
    private const ulong CloneThread = 0x10000;
    private const ulong CloneSetThreadPointer = 0x80000;
    private const ulong CloneParentSetId = 0x100000;
    private const ulong CloneChildClearId = 0x200000;
    private const ulong CloneChildSetId = 0x1000000;
    private const ulong CloneNamespaces = 0x7E020000;

    private const int MostTasks = 8192;

    // wait4(2), waitid(2).
    private const int NoHang = 1;
    private const int Untraced = 2;
    private const int Exited = 4;
    private const int Continued = 8;
    private const int NoWait = 0x0100_0000;

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set[CallNumber.Getpid] = static (task, in call) => task.Process.Id;
        set[CallNumber.Gettid] = static (task, in call) => task.Id;
        set[CallNumber.Getppid] = static (task, in call) => task.Process.Parent?.Id ?? 0;
        set[CallNumber.Getpgid] = static (task, in call) => Find(task, (int)call.A)?.Group ?? -Error.ESRCH;
        set[CallNumber.Getpgrp] = static (task, in call) => task.Process.Group;
        set[CallNumber.Getsid] = static (task, in call) => Find(task, (int)call.A)?.Session ?? -Error.ESRCH;
        set[CallNumber.Setpgid] = SetGroup;
        set[CallNumber.Setsid] = SetSession;
        set[CallNumber.Fork] = static (task, in call) => Clone(task, SignalNumber.Child, 0, 0, 0, 0);
        set[CallNumber.Vfork] = static (task, in call) => Clone(task, CloneMemory | CloneVfork | SignalNumber.Child, 0, 0, 0, 0);
        set[CallNumber.Clone] = static (task, in call) => Clone(task, call.A, call.B, call.C, call.D, call.E);
        set[CallNumber.Execve] = static (task, in call) => Execute(task, unchecked((ulong)Host.AtFdCwd), call.A, call.B, call.C, 0);
        set[CallNumber.Execveat] = static (task, in call) => Execute(task, call.A, call.B, call.C, call.D, call.E);
        set[CallNumber.Exit] = Exit;
        set[CallNumber.ExitGroup] = ExitGroup;
        set[CallNumber.Wait4] = Wait;
        set[CallNumber.Waitid] = WaitId;
        set[CallNumber.SetTidAddress] = static (task, in call) =>
        {
            task.ClearAtEnd = call.A;
            return task.Id;
        };
        set[CallNumber.ArchPrctl] = Architecture;
        set[CallNumber.Prctl] = Control;
    }

    private static GuestProcess? Find(GuestTask task, int id) => id == 0 ? task.Process : task.System.Table.Process(id);

    private static long SetGroup(GuestTask task, in CallArguments call)
    {
        int id = (int)call.A == 0 ? task.Process.Id : (int)call.A;
        int group = (int)call.B == 0 ? id : (int)call.B;
        if (group < 0)
        {
            return -Error.EINVAL;
        }

        lock (task.System.Tree)
        {
            if (task.System.Table.Process(id) is not { } process || (process != task.Process && process.Parent != task.Process))
            {
                return -Error.ESRCH;
            }

            if (process.Session == process.Id || process.Session != task.Process.Session)
            {
                return -Error.EPERM;
            }

            if (group != id && !task.System.Table.All.Any(other => other.Group == group && other.Session == task.Process.Session))
            {
                return -Error.EPERM;
            }

            process.Group = group;
            return 0;
        }
    }

    private static long SetSession(GuestTask task, in CallArguments call)
    {
        var process = task.Process;
        lock (task.System.Tree)
        {
            if (task.System.Table.All.Any(other => other.Group == process.Id))
            {
                return -Error.EPERM;
            }

            process.Session = process.Group = process.Id;
            return process.Id;
        }
    }

    private static long Clone(GuestTask task, ulong flags, ulong stack, ulong parentIdAt, ulong childIdAt, ulong threadPointer)
    {
        bool isThread = (flags & CloneThread) != 0;
        if ((flags & CloneNamespaces) != 0)
        {
            return -Error.EPERM;
        }

        if ((isThread && (flags & CloneActions) == 0) || ((flags & CloneActions) != 0 && (flags & CloneMemory) == 0))
        {
            return -Error.EINVAL;
        }

        if (task.System.Table.TaskCount >= MostTasks)
        {
            return -Error.EAGAIN;
        }

        var system = task.System;
        var parent = task.Process;
        var memory = (flags & CloneMemory) != 0 ? isThread ? parent.Memory : parent.Memory.Share() : parent.Memory.Fork();
        if (memory is null)
        {
            return -Error.ENOMEM;
        }

        var child = new GuestTask(system, system.Processors.Copy(task.Context)) { SignalMask = task.SignalMask };
        try
        {
            child.Start();
        }
        catch (OutOfMemoryException)
        {
            if (!isThread)
            {
                memory.Release();
            }

            return -Error.EAGAIN;
        }

        ref var registers = ref child.Context.Registers;
        registers.Rax = 0;
        registers.Rsp = stack != 0 ? stack : registers.Rsp;
        child.Context.FsBase = (flags & CloneSetThreadPointer) != 0 ? threadPointer : child.Context.FsBase;
        child.ClearAtEnd = (flags & CloneChildClearId) != 0 ? childIdAt : 0;
        child.AlternateStack = (flags & (CloneMemory | CloneVfork)) == CloneMemory ? AlternateStack.None : task.AlternateStack;
        var process = isThread ? parent : new GuestProcess(
            system,
            child.Id,
            (flags & CloneParent) != 0 ? parent.Parent : parent,
            memory,
            (flags & CloneDescriptors) != 0 ? parent.Descriptors.Share() : parent.Descriptors.Copy(),
            (flags & CloneFileContext) != 0 ? parent.Files.Share() : parent.Files.Copy(),
            (flags & CloneActions) != 0 ? parent.Actions : parent.Actions.Copy())
        {
            EndSignal = (int)(flags & 0xFF),
            Group = parent.Group,
            Session = parent.Session,
            Name = parent.Name,
        };
        if (!child.Join(process))
        {
            // A thread of a process that is ending.
            child.Abandon();
            return -Error.RestartNoHandler;
        }

        if (!isThread)
        {
            lock (system.Tree)
            {
                if (process.Parent is { } owner)
                {
                    lock (owner.Sync)
                    {
                        owner.Children.Add(process);
                    }
                }
            }

            process.VforkParent = (flags & CloneVfork) != 0 ? task : null;
            system.ProcessBegan(process);
        }

        system.Table.Add(child);
        int id = child.Id;
        if ((flags & CloneParentSetId) != 0)
        {
            _ = task.Write(parentIdAt, id);
        }

        if ((flags & CloneChildSetId) != 0)
        {
            _ = system.Memory.TryWrite(memory.Space, childIdAt, id);
        }

        child.Go();
        while ((flags & CloneVfork) != 0 && process.VforkParent is not null && !process.HasEnded && !parent.IsEnding)
        {
            _ = task.Parker.Wait();
        }

        return id;
    }

    private static long Execute(GuestTask task, ulong directory, ulong pathAt, ulong argumentsAt, ulong environmentAt, ulong flags)
    {
        if ((flags & ~(ulong)(Host.AtEmptyPath | 0x100)) != 0)
        {
            return -Error.EINVAL;
        }

        if (task.ReadText(pathAt, out long error) is not { } path)
        {
            return error;
        }

        var room = ProgramLoader.MostArgumentBytes;
        if (Texts(task, argumentsAt, ref room, out error) is not { } arguments || Texts(task, environmentAt, ref room, out error) is not { } environment)
        {
            return error;
        }

        if (arguments.Count == 0)
        {
            // As since Linux 5.18: one that is empty.
            arguments.Add([0]);
        }

        var program = Find(task, directory, path, flags, arguments, environment, out error);
        if (program is null)
        {
            return error;
        }

        // From here on the old program is gone, whatever happens.
        if (!EndOthers(task))
        {
            program.Memory.Release();
            return ISystemCalls.NoResult;
        }

        Become(task, program);
        return ISystemCalls.NoResult;
    }

    private static StartedProgram? Find(
        GuestTask task, ulong directory, byte[] path, ulong flags, List<byte[]> arguments, List<byte[]> environment, out long error)
    {
        var files = task.Process.Files;
        string text = Encoding.UTF8.GetString(path.AsSpan(0, path.Length - 1));
        if (text is "/proc/self/exe" or "/proc/thread-self/exe")
        {
            path = [.. Encoding.UTF8.GetBytes(task.Process.Memory.Path), 0];
        }

        if ((int)directory == Host.AtFdCwd)
        {
            return ProgramStart.Load(task.System.Loader, files, path, arguments, environment, out error);
        }

        using var use = task.Process.Descriptors.Use((int)directory);
        if (!use.IsOpen && path[0] != (byte)'/')
        {
            error = -Error.EBADF;
            return null;
        }

        if (path.Length == 1)
        {
            if ((flags & Host.AtEmptyPath) == 0)
            {
                error = -Error.ENOENT;
                return null;
            }

            path = [.. Encoding.ASCII.GetBytes($"/proc/self/fd/{use.Host}"), 0];
            byte[] name = [.. Encoding.ASCII.GetBytes($"/dev/fd/{(int)directory}"), 0];
            return ProgramStart.LoadAt(task.System.Loader, files, Host.AtFdCwd, path, name, arguments, environment, out error);
        }

        return ProgramStart.LoadAt(task.System.Loader, files, use.Host, path, path, arguments, environment, out error);
    }

    /// <summary>Ends the other tasks of the process and waits until they have ended. False where it is to end itself.</summary>
    private static bool EndOthers(GuestTask task)
    {
        var process = task.Process;
        lock (process.Sync)
        {
            if (process.IsEnding || (process.Executing is not null && process.Executing != task))
            {
                return false;
            }

            process.Executing = task;
        }

        foreach (var other in process.Tasks)
        {
            if (other != task)
            {
                other.Interrupt();
            }
        }

        while (process.TaskCount > 1 && !process.IsEnding)
        {
            _ = task.Parker.Wait();
        }

        process.Executing = null;
        return !process.IsEnding;
    }

    private static void Become(GuestTask task, StartedProgram program)
    {
        var process = task.Process;
        TaskEnd.ReleaseFutexes(task);
        var before = process.Memory;
        process.Memory = program.Memory;
        before.Release();

        // Whoever executes is the process's first task from now on.
        task.System.Table.Remove(task);
        task.Id = process.Id;
        task.System.Table.Add(task);
        process.Name = Shortened(program.Name);
        process.Actions = process.Actions.ForExec();
        var descriptors = process.Descriptors.Copy();
        process.Descriptors.Release();
        process.Descriptors = descriptors;
        descriptors.CloseForExec();
        task.AlternateStack = AlternateStack.None;
        task.System.Processors.Forget(task.Context);
        var context = new UserContext();
        context.Registers.Rip = program.Entry;
        context.Registers.Rsp = program.Stack;
        task.Context = context;
        task.CallInRax = ulong.MaxValue;
        if (task.MustLook)
        {
            context.Interrupt();
        }
    }

    private static string Shortened(string name)
    {
        const int Most = 15;
        byte[] bytes = Encoding.UTF8.GetBytes(name);
        return bytes.Length <= Most ? name : Encoding.UTF8.GetString(bytes.AsSpan(0, Most));
    }

    private static List<byte[]>? Texts(GuestTask task, ulong at, ref int room, out long error)
    {
        var texts = new List<byte[]>();
        error = 0;
        if (at == 0)
        {
            return texts;
        }

        for (; ; at += 8)
        {
            if (!task.Read(at, out ulong place))
            {
                error = -Error.EFAULT;
                return null;
            }

            if (place == 0)
            {
                return texts;
            }

            if (task.System.Memory.ReadText(task.Process.Memory.Space, place, ProgramLoader.MostArgument, out error) is not { } text)
            {
                error = error == -Error.ENAMETOOLONG ? -Error.E2BIG : error;
                return null;
            }

            room -= text.Length + 8;
            if (room < 0)
            {
                error = -Error.E2BIG;
                return null;
            }

            texts.Add(text);
        }
    }

    private static long Exit(GuestTask task, in CallArguments call)
    {
        if (task.Process.TaskCount == 1)
        {
            return ExitGroup(task, call);
        }

        task.IsEnding = true;
        return ISystemCalls.NoResult;
    }

    private static long ExitGroup(GuestTask task, in CallArguments call)
    {
        task.Process.End((int)(call.A & 0xFF) << 8);
        return ISystemCalls.NoResult;
    }

    private static long Wait(GuestTask task, in CallArguments call)
    {
        const int Known = NoHang | Untraced | Continued | 0x2000_0000 | 0x4000_0000 | unchecked((int)0x8000_0000);
        int options = (int)call.C;
        if ((options & ~Known) != 0)
        {
            return -Error.EINVAL;
        }

        int which = (int)call.A;
        long result = WaitFor(
            task,
            child => which switch
            {
                > 0 => child.Id == which,
                0 => child.Group == task.Process.Group,
                -1 => true,
                _ => child.Group == -which,
            },
            options | Exited,
            out var told);
        if (result <= 0)
        {
            return result;
        }

        if (call.B != 0 && !task.Write(call.B, told.Status))
        {
            return -Error.EFAULT;
        }

        if (call.D != 0)
        {
            _ = task.Write(call.D, LimitCalls.Usage(told.Ticks));
        }

        return result;
    }

    private static long WaitId(GuestTask task, in CallArguments call)
    {
        const ulong All = 0;
        const ulong Process = 1;
        const ulong Group = 2;
        int options = (int)call.D;
        if ((options & ~(NoHang | Untraced | Exited | Continued | NoWait | 0x2000_0000)) != 0 || (options & (Exited | Untraced | Continued)) == 0 || call.A > Group)
        {
            return -Error.EINVAL;
        }

        ulong kind = call.A;
        int which = (int)call.B;
        long result = WaitFor(
            task,
            child => kind switch
            {
                All => true,
                Process => child.Id == which,
                _ => child.Group == (which == 0 ? task.Process.Group : which),
            },
            options,
            out var told);
        if (result < 0)
        {
            return result;
        }

        if (call.C != 0)
        {
            var information = default(SignalInformation);
            if (result > 0)
            {
                int status = told.Status;
                information = new SignalInformation { Signal = SignalNumber.Child, Process = (int)result };
                (information.Code, information.Status) = status == 0xFFFF ? (SignalInformation.ChildContinued, SignalNumber.Continue)
                    : (status & 0xFF) == 0x7F ? (SignalInformation.ChildStopped, status >> 8)
                    : (status & 0x7F) == 0 ? (SignalInformation.ChildExited, status >> 8)
                    : ((status & 0x80) != 0 ? SignalInformation.ChildDumped : SignalInformation.ChildKilled, status & 0x7F);
            }

            if (!task.Write(call.C, information))
            {
                return -Error.EFAULT;
            }
        }

        return 0;
    }

    private static long WaitFor(GuestTask task, Func<GuestProcess, bool> wanted, int options, out (int Status, long Ticks) told)
    {
        while (true)
        {
            if (Look(task, wanted, options, out told) is { } result)
            {
                return result;
            }

            if ((options & NoHang) != 0)
            {
                return 0;
            }

            if (task.MustLook)
            {
                return -Error.RestartSystemCall;
            }

            _ = task.Parker.Wait();
        }
    }

    /// <summary>A child that has something to tell, or ECHILD; null where there is nothing yet.</summary>
    private static long? Look(GuestTask task, Func<GuestProcess, bool> wanted, int options, out (int Status, long Ticks) told)
    {
        told = default;
        bool any = false;
        var process = task.Process;
        lock (task.System.Tree)
        {
            GuestProcess[] children;
            lock (process.Sync)
            {
                children = [.. process.Children];
            }

            foreach (var child in children)
            {
                if (!wanted(child))
                {
                    continue;
                }

                any = true;
                lock (child.Sync)
                {
                    if (child.HasEnded && (options & Exited) != 0)
                    {
                        told = (child.WaitStatus, child.Ticks + child.ChildrenTicks);
                    }
                    else if (child.UntoldStop != 0 && (options & Untraced) != 0)
                    {
                        told = ((child.UntoldStop << 8) | 0x7F, child.Ticks);
                        child.UntoldStop = (options & NoWait) != 0 ? child.UntoldStop : 0;
                        return child.Id;
                    }
                    else if (child.UntoldContinue && (options & Continued) != 0)
                    {
                        told = (0xFFFF, child.Ticks);
                        child.UntoldContinue = (options & NoWait) != 0;
                        return child.Id;
                    }
                    else
                    {
                        continue;
                    }
                }

                if ((options & NoWait) == 0)
                {
                    process.ChildrenTicks += told.Ticks;
                    task.System.Table.Reap(child);
                }

                return child.Id;
            }
        }

        return any ? null : -Error.ECHILD;
    }

    private static long Architecture(GuestTask task, in CallArguments call)
    {
        const ulong SetGs = 0x1001;
        const ulong SetFs = 0x1002;
        const ulong GetFs = 0x1003;
        const ulong GetGs = 0x1004;
        switch (call.A)
        {
            case SetFs or SetGs:
                if (call.B >= task.Process.Memory.Space.UserEnd.Value)
                {
                    return -Error.EPERM;
                }

                if (call.A == SetFs)
                {
                    task.Context.FsBase = call.B;
                }
                else
                {
                    task.Context.GsBase = call.B;
                }

                return 0;
            case GetFs:
                return task.Write(call.B, task.Context.FsBase) ? 0 : -Error.EFAULT;
            case GetGs:
                return task.Write(call.B, task.Context.GsBase) ? 0 : -Error.EFAULT;
            default:
                return -Error.EINVAL;
        }
    }

    // linux/prctl.h.
    private static long Control(GuestTask task, in CallArguments call)
    {
        var process = task.Process;
        switch ((int)call.A)
        {
            case 1: // PR_SET_PDEATHSIG
                if (call.B > SignalNumber.Last)
                {
                    return -Error.EINVAL;
                }

                process.ParentDeathSignal = (int)call.B;
                return 0;
            case 2: // PR_GET_PDEATHSIG
                return task.Write(call.B, process.ParentDeathSignal) ? 0 : -Error.EFAULT;
            case 3: // PR_GET_DUMPABLE
                return 1;
            case 4: // PR_SET_DUMPABLE
                return call.B > 1 ? -Error.EINVAL : 0;
            case 15: // PR_SET_NAME
                Span<byte> name = stackalloc byte[16];
                int read = task.System.Memory.ReadSome(process.Memory.Space, call.B, name[..15]);
                int end = name[..read].IndexOf((byte)0);
                if (read == 0)
                {
                    return -Error.EFAULT;
                }

                process.Name = Encoding.UTF8.GetString(name[..(end < 0 ? read : end)]);
                return 0;
            case 16: // PR_GET_NAME
                Span<byte> own = stackalloc byte[16];
                own.Clear();
                Encoding.UTF8.GetBytes(process.Name).AsSpan().CopyTo(own);
                return task.Write(call.B, own) ? 0 : -Error.EFAULT;
            case 36: // PR_SET_CHILD_SUBREAPER
                process.IsReaper = call.B != 0;
                return 0;
            case 37: // PR_GET_CHILD_SUBREAPER
                return task.Write(call.B, process.IsReaper ? 1 : 0) ? 0 : -Error.EFAULT;
            case 38: // PR_SET_NO_NEW_PRIVS
                return call.B == 1 && call.C == 0 && call.D == 0 && call.E == 0 ? 0 : -Error.EINVAL;
            case 39: // PR_GET_NO_NEW_PRIVS
                return 0;
            case 7 or 8 or 23 or 24 or 27 or 28 or 47:
                // PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, the bounding set, the secure bits, ambient capabilities: of the task's own thread.
                return Host.Call(CallNumber.Prctl, (int)call.A, (long)call.B, (long)call.C, (long)call.D, (long)call.E);
            case 29 or 30: // PR_SET_TIMERSLACK, PR_GET_TIMERSLACK
                return call.A == 30 ? 50_000 : 0;
            default:
                return -Error.EINVAL;
        }
    }
}
