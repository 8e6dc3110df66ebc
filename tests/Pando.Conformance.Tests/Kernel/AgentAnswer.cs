using System.Runtime.InteropServices;

namespace Pando.Conformance.Tests.Kernel;

/// <summary>What an agent answers: four 64-bit words.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct AgentAnswer
{
    /// <summary>The system call's result (an error number negated), or the byte that was loaded.</summary>
    public readonly long Value;

    /// <summary>The signal that an access ended in; 0 for none.</summary>
    public readonly long Signal;

    /// <summary>The signal's si_code.</summary>
    public readonly long Code;

    /// <summary>The signal's si_addr.</summary>
    public readonly ulong Address;
}
