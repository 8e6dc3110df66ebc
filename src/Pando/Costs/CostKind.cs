namespace Pando.Costs;

/// <summary>What the growth tests count instead of time.</summary>
internal enum CostKind
{
    /// <summary>A node of a tree, or of a radix, was looked at.</summary>
    Node,

    /// <summary>An area of a space was looked at.</summary>
    Area,

    /// <summary>An extent of a file, a page of a memory file, or a piece of a device was looked at.</summary>
    Extent,

    /// <summary>An entry of a page table was read.</summary>
    Entry,

    /// <summary>A mapping, or a table, that a file-wide change went to.</summary>
    Mapping,

    /// <summary>Elements that were moved by copying an array.</summary>
    Moved,
}
