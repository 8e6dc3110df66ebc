using System.Collections.Concurrent;
using Pando.Exec.Signals;

namespace Pando.Exec.Tasks;

/// <summary>The signal descriptors (signalfd(2)) of all processes: eventfds of the host's that tell of signals, so that poll and epoll work on them.</summary>
internal sealed class SignalDescriptors
{
    private readonly ConcurrentDictionary<SignalDescriptor, int> _all = new();

    /// <summary>Those that a process may have open.</summary>
    internal IEnumerable<SignalDescriptor> Of(GuestProcess process) =>
        _all.IsEmpty ? [] : _all.Where(pair => pair.Value == process.Id).Select(static pair => pair.Key);

    /// <summary>A new one is there.</summary>
    internal void Add(SignalDescriptor descriptor, GuestProcess process) => _all[descriptor] = process.Id;

    /// <summary>A process has ended.</summary>
    internal void Forget(GuestProcess process)
    {
        foreach (var descriptor in Of(process))
        {
            _all.TryRemove(descriptor, out _);
        }
    }
}
