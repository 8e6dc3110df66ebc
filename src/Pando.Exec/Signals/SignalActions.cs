namespace Pando.Exec.Signals;

/// <summary>What a process, or several that share it by CLONE_SIGHAND, do on each signal. Safe for threads.</summary>
internal sealed class SignalActions
{
    private readonly SignalAction[] _actions = new SignalAction[SignalNumber.Last + 1];

    /// <summary>The action for a signal, 1 to 64.</summary>
    internal SignalAction this[int signal]
    {
        get
        {
            lock (_actions)
            {
                return _actions[signal];
            }
        }

        set
        {
            lock (_actions)
            {
                _actions[signal] = value;
            }
        }
    }

    /// <summary>A copy (fork).</summary>
    internal SignalActions Copy()
    {
        var copy = new SignalActions();
        lock (_actions)
        {
            _actions.CopyTo(copy._actions, 0);
        }

        return copy;
    }

    /// <summary>What exec leaves: handlers become the default, what was ignored stays so.</summary>
    internal SignalActions ForExec()
    {
        var copy = Copy();
        for (int signal = 1; signal <= SignalNumber.Last; signal++)
        {
            copy._actions[signal] = copy._actions[signal].IsIgnored ? new SignalAction(1, 0, 0, 0) : default;
        }

        return copy;
    }

    /// <summary>Whether a signal has no effect at all when it arrives.</summary>
    internal bool Ignores(int signal)
    {
        var action = this[signal];
        return action.IsIgnored || (action.IsDefault && (SignalNumber.Bit(signal) & SignalNumber.IgnoredByDefault) != 0);
    }
}
