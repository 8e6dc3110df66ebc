namespace Pando.Spaces;

/// <summary>What an address and a length come to.</summary>
internal enum RangeForm
{
    /// <summary>A length of 0.</summary>
    Nothing,

    /// <summary>A length so near 2^64 that, rounded up to whole pages, it is 0.</summary>
    RoundsToNothing,

    /// <summary>The end lies past 2^64.</summary>
    WrapsRound,

    /// <summary>The range ends, or begins, past the user's addresses.</summary>
    LeavesUser,

    /// <summary>A range of the user's addresses.</summary>
    User,
}
