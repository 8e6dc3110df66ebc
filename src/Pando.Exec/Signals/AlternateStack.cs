namespace Pando.Exec.Signals;

/// <summary>stack_t: where handlers run that ask for it (sigaltstack(2)).</summary>
/// <param name="Start">Its lowest address.</param>
/// <param name="Flags">SS_DISABLE, SS_AUTODISARM.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct AlternateStack(ulong Start, uint Flags, ulong Length)
{
    internal const uint OnStack = 1;
    internal const uint Disabled = 2;
    internal const uint AutoDisarm = 1u << 31;

    /// <summary>None.</summary>
    internal static AlternateStack None => new(0, Disabled, 0);

    /// <summary>Whether there is one.</summary>
    internal bool IsSet => (Flags & Disabled) == 0 && Length != 0;

    /// <summary>Whether a stack pointer lies on it.</summary>
    internal bool Holds(ulong pointer) => IsSet && pointer > Start && pointer - Start <= Length;
}
