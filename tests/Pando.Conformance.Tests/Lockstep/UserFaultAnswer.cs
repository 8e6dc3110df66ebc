using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>What a handler does about a question.</summary>
internal enum UserFaultAnswer
{
    /// <summary>Copies bytes to the page.</summary>
    Copy,

    /// <summary>Copies bytes, and protects them against stores.</summary>
    CopyProtected,

    /// <summary>Fills the page with zeroes.</summary>
    Zero,

    /// <summary>Maps what the file has.</summary>
    Continue,

    /// <summary>Maps it, and protects it against stores.</summary>
    ContinueProtected,

    /// <summary>Stops the protection of the page.</summary>
    Unprotect,

    /// <summary>Stops the protection of all of its area.</summary>
    UnprotectArea,

    /// <summary>Is no longer the handler of the page's area.</summary>
    Unregister,
}

/// <summary>A question, what was done about it, to which range, and how that ended.</summary>
internal readonly record struct AnsweredQuestion(UserFaultQuestion Question, UserFaultAnswer Answer, ulong Address, long Length, Errno Outcome)
{
    public override string ToString() => $"{Question}: {Answer} 0x{Address:x} 0x{Length:x}{(Outcome == Errno.None ? "" : $" ({Outcome})")}";
}
