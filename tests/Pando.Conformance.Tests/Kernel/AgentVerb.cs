namespace Pando.Conformance.Tests.Kernel;

/// <summary>The kinds of requests.</summary>
internal enum AgentVerb : ulong
{
    /// <summary>Make a system call.</summary>
    Call = 0,

    /// <summary>Load a byte from an address.</summary>
    Load = 1,

    /// <summary>Store a byte (the second word) at an address.</summary>
    Store = 2,

    /// <summary>Fork; the child reads requests from one file and answers to another.</summary>
    Fork = 3,

    /// <summary>Send so many bytes of memory after the answer.</summary>
    Send = 4,
}
