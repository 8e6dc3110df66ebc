using Pando.Exec.Native;

namespace Pando.Exec.Files;

/// <summary>An open file description (open(2)): a descriptor of the host's, shared by all descriptors of programs that came of one opening.</summary>
/// <remarks>Offset, flags and locks are the host's own. Thread-safe: closed when the last descriptor, and the last call that uses it, lets go.</remarks>
internal sealed class OpenDescription
{
    private int _users = 1;

    /// <summary>Takes over a descriptor of the host's.</summary>
    /// <param name="descriptor">The descriptor.</param>
    /// <param name="special">What this process serves in the host's place; null for an ordinary file.</param>
    internal OpenDescription(int descriptor, object? special = null)
    {
        Descriptor = descriptor;
        Special = special;
    }

    /// <summary>The host's descriptor.</summary>
    internal int Descriptor { get; }

    /// <summary>What this process serves in the host's place.</summary>
    internal object? Special { get; }

    /// <summary>Counts one user more. False where it has been closed.</summary>
    internal bool TryKeep()
    {
        int users = Volatile.Read(ref _users);
        while (users > 0)
        {
            int seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
            {
                return true;
            }

            users = seen;
        }

        return false;
    }

    /// <summary>Counts one less; the last closes.</summary>
    internal void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            Host.Close(Descriptor);
        }
    }
}
