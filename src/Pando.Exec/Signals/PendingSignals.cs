namespace Pando.Exec.Signals;

/// <summary>Signals that wait to be taken: each ordinary one once, real-time ones as often as they were sent. Not safe for threads.</summary>
internal sealed class PendingSignals
{
    // As many as Linux lets a user have by default on a small machine (RLIMIT_SIGPENDING).
    private const int MostQueued = 8192;

    private readonly List<SignalInformation> _queue = [];

    /// <summary>The signals that are here.</summary>
    internal ulong Set { get; private set; }

    /// <summary>Adds one. False where the queue of real-time signals is full.</summary>
    internal bool TryAdd(in SignalInformation information)
    {
        ulong bit = SignalNumber.Bit(information.Signal);
        if (information.Signal < SignalNumber.FirstRealTime && (Set & bit) != 0)
        {
            return true;
        }

        if (_queue.Count >= MostQueued)
        {
            return false;
        }

        _queue.Add(information);
        Set |= bit;
        return true;
    }

    /// <summary>Takes the next of those in a set: what an instruction caused first, then the lowest number, the oldest of it.</summary>
    internal bool TryTake(ulong among, out SignalInformation information)
    {
        information = default;
        ulong candidates = Set & among;
        if (candidates == 0)
        {
            return false;
        }

        ulong first = (candidates & SignalNumber.Synchronous) != 0 ? candidates & SignalNumber.Synchronous : candidates;
        int signal = System.Numerics.BitOperations.TrailingZeroCount(first) + 1;
        int at = _queue.FindIndex(one => one.Signal == signal);
        information = _queue[at];
        _queue.RemoveAt(at);
        if (!_queue.Exists(one => one.Signal == signal))
        {
            Set &= ~SignalNumber.Bit(signal);
        }

        return true;
    }

    /// <summary>Drops all of a set.</summary>
    internal void Remove(ulong signals)
    {
        if ((Set & signals) != 0)
        {
            _queue.RemoveAll(one => (SignalNumber.Bit(one.Signal) & signals) != 0);
            Set &= ~signals;
        }
    }
}
