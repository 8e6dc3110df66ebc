namespace Pando.Hardware;

/// <summary>What a frame of RAM is used for.</summary>
public enum FrameKind : byte
{
    /// <summary>Nothing.</summary>
    Free = 0,

    /// <summary>A page table that belongs to one address space.</summary>
    SpaceTable,

    /// <summary>A page table that belongs to a file.</summary>
    FileTable,

    /// <summary>Private memory of processes; copied on write while several refer to it.</summary>
    Anonymous,

    /// <summary>Contents of a memory file.</summary>
    FileData,

    /// <summary>A memory file's own record of where its pages lie.</summary>
    FileIndex,

    /// <summary>The page of zeroes that stands in for memory never written.</summary>
    Zero,

    /// <summary>Removed from the tables, waiting until nobody can see it any more.</summary>
    Retired,

    /// <summary>Its memory has failed; never used again.</summary>
    Bad,
}
