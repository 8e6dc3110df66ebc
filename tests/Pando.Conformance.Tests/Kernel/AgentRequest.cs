using System.Runtime.InteropServices;

namespace Pando.Conformance.Tests.Kernel;

/// <summary>What an agent is asked to do: eight 64-bit words, read from its pipe in one piece.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AgentRequest
{
    /// <summary>See <see cref="AgentVerb"/>.</summary>
    public ulong Verb;

    /// <summary>A system call's number; otherwise the address.</summary>
    public ulong First;

    /// <summary>Further words: a system call's arguments from here on.</summary>
    public ulong Second;
    public ulong Third;
    public ulong Fourth;
    public ulong Fifth;
    public ulong Sixth;
    public ulong Seventh;
}
