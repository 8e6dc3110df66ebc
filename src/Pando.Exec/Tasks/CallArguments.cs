namespace Pando.Exec.Tasks;

/// <summary>The arguments of a system call, as registers have them: RDI, RSI, RDX, R10, R8, R9.</summary>
internal readonly record struct CallArguments(ulong A, ulong B, ulong C, ulong D, ulong E, ulong F)
{
    /// <summary>An argument by its number, from 0.</summary>
    internal ulong this[int index] => index switch { 0 => A, 1 => B, 2 => C, 3 => D, 4 => E, _ => F };
}
