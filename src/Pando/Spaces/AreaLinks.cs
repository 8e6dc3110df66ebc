using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>
/// Where an area stands in its space's <see cref="AreaSet"/>: in a list by address, and in a tree, with what is kept of the
/// subtree. Protected by the space's lock.
/// </summary>
internal struct AreaLinks
{
    /// <summary>The area before this one, and the area after it.</summary>
    public Area? Previous, Next;

    /// <summary>The subtrees of what lies below and above.</summary>
    public Area? Left, Right;

    /// <summary>The height of the subtree.</summary>
    public int Height;

    /// <summary>Whether all areas of the subtree show one file in one way, each in line with the others.</summary>
    public bool IsInLine;

    /// <summary>The flags that any area of the subtree has.</summary>
    public AreaFlags AnyFlags;

    /// <summary>From the start of the subtree's first area to the end of its last.</summary>
    public AddressRange Range;

    /// <summary>Bytes of the largest gap between two areas of the subtree.</summary>
    public long LargestGap;
}
