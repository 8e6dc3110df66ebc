namespace Pando.Exec.Signals;

/// <summary>What a process does on a signal, as rt_sigaction(2) sets it: the kernel's own structure.</summary>
/// <param name="Handler">0 for the default, 1 to ignore it, else the handler's address.</param>
/// <param name="Flags">SA_ flags.</param>
/// <param name="Restorer">Where the handler returns to.</param>
/// <param name="Mask">The signals blocked while it runs.</param>
internal readonly record struct SignalAction(ulong Handler, ulong Flags, ulong Restorer, ulong Mask)
{
    internal const ulong NoChildStop = 1;
    internal const ulong NoChildWait = 2;
    internal const ulong WithInformation = 4;
    internal const ulong OnStack = 0x0800_0000;
    internal const ulong Restart = 0x1000_0000;
    internal const ulong NoDefer = 0x4000_0000;
    internal const ulong ResetHandler = 0x8000_0000;
    internal const ulong HasRestorer = 0x0400_0000;

    /// <summary>SIG_DFL.</summary>
    internal bool IsDefault => Handler == 0;

    /// <summary>SIG_IGN.</summary>
    internal bool IsIgnored => Handler == 1;
}
