using System.Buffers.Binary;
using Pando.Exec.Signals;

namespace Pando.Exec.Tasks;

/// <summary>What happens when a task, and with the last of them its process, ends (kernel/exit.c).</summary>
internal static class TaskEnd
{
    private const int MostRobust = 2048;
    private const uint OwnerDied = 0x4000_0000;
    private const uint Waiters = 0x8000_0000;
    private const uint OwnerMask = 0x3FFF_FFFF;

    /// <summary>Ends a task, on its own thread; it will not run again.</summary>
    internal static void Of(GuestTask task)
    {
        var system = task.System;
        ReleaseFutexes(task);
        system.Processors.Forget(task.Context);
        bool last = task.Process.Remove(task);
        system.Table.Remove(task);
        if (last)
        {
            EndProcess(task.Process);
        }
    }

    /// <summary>Gives up what the task held in its old memory: at its end, and at exec.</summary>
    internal static void ReleaseFutexes(GuestTask task)
    {
        var memory = task.Process.Memory;
        WalkRobustList(task);
        if (task.ClearAtEnd != 0)
        {
            _ = task.System.Memory.TryWrite(memory.Space, task.ClearAtEnd, 0u);
            _ = task.System.Futexes.Wake(memory, task.ClearAtEnd, isPrivate: false, 1, uint.MaxValue);
            task.ClearAtEnd = 0;
        }

        LetVforkParentGo(task.Process);
    }

    /// <summary>The process has let go of memory that it shared with a parent that waits for that.</summary>
    internal static void LetVforkParentGo(GuestProcess process)
    {
        GuestTask? parent;
        lock (process.Sync)
        {
            parent = process.VforkParent;
            process.VforkParent = null;
        }

        parent?.Parker.Wake();
    }

    /// <summary>Tells a parent that a child has ended, stopped or gone on.</summary>
    internal static void TellParent(GuestProcess child, int code, int status)
    {
        if (child.Parent is not { HasEnded: false } parent)
        {
            return;
        }

        int signal = code is SignalInformation.ChildStopped or SignalInformation.ChildContinued ? SignalNumber.Child : child.EndSignal;
        bool silent = code is SignalInformation.ChildStopped or SignalInformation.ChildContinued
            && (parent.Actions[SignalNumber.Child].Flags & SignalAction.NoChildStop) != 0;
        if (signal != 0 && !silent)
        {
            var information = SignalInformation.Of(signal, code, child.Id);
            information.Status = status;
            _ = SignalSender.Send(parent, information);
        }

        parent.WakeWaiting();
    }

    private static void EndProcess(GuestProcess process)
    {
        var system = process.System;
        system.ProcessEnds();
        process.RealTimer.Dispose();
        process.VirtualTimer.Dispose();
        process.ProfileTimer.Dispose();
        process.Descriptors.Release();
        process.Files.Release();
        process.Memory.Release();
        system.SignalDescriptors.Forget(process);
        AdoptOrphans(process);
        int status = process.WaitStatus;
        bool reap;
        lock (system.Tree)
        {
            lock (process.Sync)
            {
                process.IsEnding = true;
                process.HasEnded = true;
            }

            reap = process.Parent is not { HasEnded: false } parent
                || process.EndSignal != SignalNumber.Child
                    ? process.Parent is not { HasEnded: false }
                    : parent.Actions[SignalNumber.Child] is var action && (action.IsIgnored || (action.Flags & SignalAction.NoChildWait) != 0);
            if (reap)
            {
                system.Table.Reap(process);
            }
        }

        TellParent(
            process,
            (status & 0x7F) == 0 ? SignalInformation.ChildExited : (status & 0x80) != 0 ? SignalInformation.ChildDumped : SignalInformation.ChildKilled,
            (status & 0x7F) == 0 ? status >> 8 : status & 0x7F);
        system.ProcessEnded(process);
    }

    private static void AdoptOrphans(GuestProcess process)
    {
        var system = process.System;
        GuestProcess[] orphans;
        lock (system.Tree)
        {
            var heir = process.Parent;
            while (heir is { HasEnded: true } or { IsReaper: false, Parent: not null })
            {
                heir = heir.Parent;
            }

            lock (process.Sync)
            {
                orphans = [.. process.Children];
                process.Children.Clear();
            }

            foreach (var orphan in orphans)
            {
                orphan.Parent = heir;
                if (heir is null)
                {
                    if (orphan.HasEnded)
                    {
                        system.Table.Reap(orphan);
                    }
                }
                else
                {
                    lock (heir.Sync)
                    {
                        heir.Children.Add(orphan);
                    }
                }
            }
        }

        foreach (var orphan in orphans)
        {
            if (orphan.ParentDeathSignal != 0 && !orphan.HasEnded)
            {
                _ = SignalSender.Send(orphan, SignalInformation.Of(orphan.ParentDeathSignal, SignalInformation.FromUser, process.Id));
            }

            if (orphan.HasEnded)
            {
                orphan.Parent?.WakeWaiting();
            }
        }
    }

    /// <summary>Futexes that the task holds, as it has listed them, go to who waits (kernel/futex/core.c, exit_robust_list).</summary>
    private static void WalkRobustList(GuestTask task)
    {
        ulong head = task.RobustList;
        task.RobustList = 0;
        var memory = task.System.Memory;
        var space = task.Process.Memory.Space;
        Span<byte> bytes = stackalloc byte[24];
        if (head == 0 || !memory.TryRead(space, head, bytes))
        {
            return;
        }

        ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        ulong underWay = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
        for (int i = 0; i < MostRobust && (entry & ~1UL) != head; i++)
        {
            ulong current = entry & ~1UL;
            if (!memory.TryRead(space, current, out entry))
            {
                return;
            }

            if (current != underWay)
            {
                Release(task, unchecked(current + offset));
            }
        }

        if (underWay != 0)
        {
            Release(task, unchecked((underWay & ~1UL) + offset));
        }
    }

    private static void Release(GuestTask task, ulong word)
    {
        var memory = task.Process.Memory;
        if ((word & 3) != 0
            || !task.System.Memory.TryChange(
                memory.Space, word, seen => (seen & OwnerMask) == (uint)task.Id ? (seen & Waiters) | OwnerDied : seen, out uint before))
        {
            return;
        }

        if ((before & OwnerMask) == (uint)task.Id && (before & Waiters) != 0)
        {
            _ = task.System.Futexes.Wake(memory, word, isPrivate: false, 1, uint.MaxValue);
        }
    }
}
