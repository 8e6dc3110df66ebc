namespace Pando.Platforms;

/// <summary>Why processors are asked to forget something.</summary>
public enum FlushKind
{
    /// <summary>Entries of a space have changed, over a range of its addresses.</summary>
    Range,

    /// <summary>Entries of a file have changed: of every space that may show it, all goes.</summary>
    File,

    /// <summary>
    /// A space ends: all of it goes, and it is not loaded again. Who is in it comes out and finds <c>IsEnding</c> true before it
    /// goes in again.
    /// </summary>
    End,
}
