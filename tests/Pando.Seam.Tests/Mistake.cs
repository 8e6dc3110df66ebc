namespace Pando.Seam.Tests;

/// <summary>What a <see cref="TinyProcessor"/> does wrong.</summary>
public enum Mistake
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It says that it has forgotten, and has not.</summary>
    Keeps,

    /// <summary>It forgets, and does not answer.</summary>
    LeavesOutAnswer,

    /// <summary>It has another flush's processor answer.</summary>
    AnswersNobody,

    /// <summary>It says that it keeps nothing of a space any more, and does.</summary>
    UnloadsEarly,
}
