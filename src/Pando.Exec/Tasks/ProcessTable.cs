using System.Collections.Concurrent;

namespace Pando.Exec.Tasks;

/// <summary>All processes and tasks by number, ended ones that nobody has waited for included. Safe for threads.</summary>
internal sealed class ProcessTable
{
    private readonly ConcurrentDictionary<int, GuestProcess> _processes = new();
    private readonly ConcurrentDictionary<int, GuestTask> _tasks = new();

    /// <summary>All processes.</summary>
    internal ICollection<GuestProcess> All => _processes.Values;

    /// <summary>How many tasks there are.</summary>
    internal int TaskCount => _tasks.Count;

    /// <summary>A process, by its number.</summary>
    internal GuestProcess? Process(int id) => _processes.GetValueOrDefault(id);

    /// <summary>A task, by its number.</summary>
    internal GuestTask? Task(int id) => _tasks.GetValueOrDefault(id);

    internal void Add(GuestProcess process) => _processes[process.Id] = process;

    internal void Add(GuestTask task) => _tasks[task.Id] = task;

    internal void Remove(GuestTask task) => _tasks.TryRemove(new KeyValuePair<int, GuestTask>(task.Id, task));

    /// <summary>Somebody has been told of the process's end, or nobody will be.</summary>
    internal void Reap(GuestProcess process)
    {
        _processes.TryRemove(process.Id, out _);
        if (process.Parent is { } parent)
        {
            lock (parent.Sync)
            {
                parent.Children.Remove(process);
            }
        }
    }
}
