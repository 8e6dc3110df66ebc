namespace Pando.Files;

/// <summary>What a piece of a file is to those who map it.</summary>
public enum ExtentState
{
    /// <summary>Nothing lies there: it reads as zeroes.</summary>
    Hole,

    /// <summary>There is a place for it, but nothing was written: it reads as zeroes, whatever lies at the place.</summary>
    Unwritten,

    /// <summary>It may be loaded and stored to where it lies.</summary>
    Written,

    /// <summary>Written, and other files lie there too (reflink): it may be loaded, and a store would change them all.</summary>
    Shared,

    /// <summary>Its bytes lie nowhere that a page table could point at (in the inode, compressed, not yet placed).</summary>
    NoPlace,
}
