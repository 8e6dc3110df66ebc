using Pando.Spaces;

namespace Pando.Exec.Memory;

/// <summary>What threads share by CLONE_VM: an address space and what is known of its parts. It ends with its last user.</summary>
/// <param name="space">The space.</param>
internal sealed class MemoryContext(AddressSpace space)
{
    private int _users = 1;

    /// <summary>The address space.</summary>
    internal AddressSpace Space { get; } = space;

    /// <summary>Protects what follows, and lets one memory call that looks before it acts be made at a time.</summary>
    internal Lock Sync { get; } = new();

    /// <summary>Where the program's data end and brk(2) begins.</summary>
    internal ulong BreakStart { get; set; }

    /// <summary>Where the break is.</summary>
    internal ulong Break { get; set; }

    /// <summary>The main thread's stack: where it ends, above.</summary>
    internal ulong StackEnd { get; set; }

    /// <summary>The auxiliary vector, for /proc/PID/auxv.</summary>
    internal byte[] AuxiliaryVector { get; set; } = [];

    /// <summary>Where the arguments' text lies, for /proc/PID/cmdline.</summary>
    internal (ulong Start, ulong End) Arguments { get; set; }

    /// <summary>The program's path, for /proc/PID/exe.</summary>
    internal string Path { get; set; } = "";

    /// <summary>Counts another process that shares it (vfork, clone without CLONE_THREAD).</summary>
    internal MemoryContext Share()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    /// <summary>A copy for a child; null where memory is out.</summary>
    internal MemoryContext? Fork() =>
        Space.Fork() is { } copy
            ? new MemoryContext(copy)
            {
                BreakStart = BreakStart,
                Break = Break,
                StackEnd = StackEnd,
                AuxiliaryVector = AuxiliaryVector,
                Arguments = Arguments,
                Path = Path,
            }
            : null;

    /// <summary>A user less; the last ends the space.</summary>
    internal void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            Space.Exit();
        }
    }
}
