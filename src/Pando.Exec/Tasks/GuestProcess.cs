using Pando.Exec.Files;
using Pando.Exec.Memory;
using Pando.Exec.Signals;

namespace Pando.Exec.Tasks;

/// <summary>A process: tasks that share memory, descriptors and signals' actions, its place in the tree, and how it ended.</summary>
/// <remarks>
/// <see cref="Sync"/> protects the lists, the state and the pending signals; it may be held while that of a child, or of the parent, is not.
/// </remarks>
internal sealed class GuestProcess
{
    private readonly List<GuestTask> _tasks = [];
    private FileContext _files;

    internal GuestProcess(
        GuestSystem system, int id, GuestProcess? parent, MemoryContext memory, DescriptorTable descriptors, FileContext files, SignalActions actions)
    {
        System = system;
        Id = id;
        Parent = parent;
        Memory = memory;
        Descriptors = descriptors;
        _files = files;
        Actions = actions;
        Group = parent?.Group ?? id;
        Session = parent?.Session ?? id;
        Name = parent?.Name ?? "";
        Limits = parent?.Limits.Copy() ?? new ResourceLimits();
        RealTimer = new ProcessTimer(this, SignalNumber.Alarm);
        VirtualTimer = new ProcessTimer(this, 26 /* SIGVTALRM */);
        ProfileTimer = new ProcessTimer(this, 27 /* SIGPROF */);
    }

    /// <summary>Its limits.</summary>
    internal ResourceLimits Limits { get; }

    /// <summary>ITIMER_REAL, which alarm(2) sets too.</summary>
    internal ProcessTimer RealTimer { get; }

    /// <summary>ITIMER_VIRTUAL, by the clock on the wall.</summary>
    internal ProcessTimer VirtualTimer { get; }

    /// <summary>ITIMER_PROF, by the clock on the wall.</summary>
    internal ProcessTimer ProfileTimer { get; }

    /// <summary>Protects the process's lists and states.</summary>
    internal Lock Sync { get; } = new();

    internal GuestSystem System { get; }

    /// <summary>Its number (the TGID).</summary>
    internal int Id { get; }

    /// <summary>Who is told of its end; null for the first.</summary>
    internal GuestProcess? Parent { get; set; }

    /// <summary>Its process group.</summary>
    internal int Group { get; set; }

    /// <summary>Its session.</summary>
    internal int Session { get; set; }

    /// <summary>Its name, of 15 bytes at most (prctl PR_SET_NAME).</summary>
    internal string Name { get; set; }

    /// <summary>Its memory; changed by exec alone.</summary>
    internal MemoryContext Memory { get; set; }

    internal DescriptorTable Descriptors { get; set; }

    /// <summary>Working directory and umask.</summary>
    internal FileContext Files
    {
        get => _files;
        set => _files = value;
    }

    internal SignalActions Actions { get; set; }

    /// <summary>Signals that any of its tasks may take. Under <see cref="Sync"/>.</summary>
    internal PendingSignals Pending { get; } = new();

    /// <summary>The signal that tells the parent of its end; 0 for none.</summary>
    internal int EndSignal { get; init; } = SignalNumber.Child;

    /// <summary>The signal that it gets when its parent ends (PR_SET_PDEATHSIG); 0 for none.</summary>
    internal int ParentDeathSignal { get; set; }

    /// <summary>Whether orphans below it become its children (PR_SET_CHILD_SUBREAPER).</summary>
    internal bool IsReaper { get; set; }

    /// <summary>Its children, ended ones that nobody has waited for included. Under <see cref="Sync"/>.</summary>
    internal List<GuestProcess> Children { get; } = [];

    /// <summary>Whether it is ending or has ended: no task of its goes back to ring 3. Under <see cref="Sync"/> for writing.</summary>
    internal bool IsEnding { get; set; }

    /// <summary>The task that is executing a new program and is to be the only one left; null for none.</summary>
    internal GuestTask? Executing { get; set; }

    /// <summary>Whether all of its tasks have ended.</summary>
    internal bool HasEnded { get; set; }

    /// <summary>How it ended, as wait(2) tells it.</summary>
    internal int WaitStatus { get; set; }

    /// <summary>Whether a stop signal has stopped it.</summary>
    internal bool IsStopped { get; set; }

    /// <summary>A stop that no wait has told yet: the signal; 0 for none.</summary>
    internal int UntoldStop { get; set; }

    /// <summary>A continuation that no wait has told yet.</summary>
    internal bool UntoldContinue { get; set; }

    /// <summary>Set when the program that shares its parent's memory by vfork has let go of it.</summary>
    internal GuestTask? VforkParent { get; set; }

    /// <summary>Time of ended children, by (user, system) ticks of the stopwatch.</summary>
    internal long ChildrenTicks { get; set; }

    /// <summary>Time that its tasks have been on processors, in ticks of the stopwatch.</summary>
    internal long Ticks;

    /// <summary>Calls and faults that programs have made, for the summary.</summary>
    internal long Calls;

    /// <summary>The tasks at this moment.</summary>
    internal GuestTask[] Tasks
    {
        get
        {
            lock (Sync)
            {
                return [.. _tasks];
            }
        }
    }

    /// <summary>The number of tasks.</summary>
    internal int TaskCount
    {
        get
        {
            lock (Sync)
            {
                return _tasks.Count;
            }
        }
    }

    /// <summary>Adds a task; false where the process is ending.</summary>
    internal bool TryAdd(GuestTask task)
    {
        lock (Sync)
        {
            if (IsEnding || (Executing is not null && Executing != task))
            {
                return false;
            }

            _tasks.Add(task);
            return true;
        }
    }

    /// <summary>A task has ended.</summary>
    /// <returns>Whether it was the last.</returns>
    internal bool Remove(GuestTask task)
    {
        GuestTask? waiting;
        bool last;
        lock (Sync)
        {
            _tasks.Remove(task);
            last = _tasks.Count == 0;
            waiting = Executing;
        }

        waiting?.Parker.Wake();
        return last;
    }

    /// <summary>Has all of its tasks end, with this status, unless it is ending already.</summary>
    internal void End(int waitStatus)
    {
        lock (Sync)
        {
            if (!IsEnding)
            {
                IsEnding = true;
                WaitStatus = waitStatus;
            }
        }

        foreach (var task in Tasks)
        {
            task.Interrupt();
        }
    }

    /// <summary>Wakes those of its tasks that wait for children.</summary>
    internal void WakeWaiting()
    {
        foreach (var task in Tasks)
        {
            task.Parker.Wake();
        }
    }
}
