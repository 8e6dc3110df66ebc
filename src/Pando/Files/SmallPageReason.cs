namespace Pando.Files;

/// <summary>Why a place in a mapping cannot be shown by a 2 MiB leaf. (For DAX the rules are those of Linux, fs/dax.c.)</summary>
public enum SmallPageReason
{
    /// <summary>It can.</summary>
    None,

    /// <summary>The file's pages are 4 KiB.</summary>
    FilePageSize,

    /// <summary>File offset and virtual address differ modulo 2 MiB.</summary>
    NotCongruent,

    /// <summary>The 2 MiB reach past an edge of the mapping.</summary>
    MappingEdge,

    /// <summary>The 2 MiB reach past the end of the file.</summary>
    EndOfFile,

    /// <summary>The file has no storage there.</summary>
    Hole,

    /// <summary>The extent does not reach over the whole 2 MiB.</summary>
    ExtentTooShort,

    /// <summary>The extent lies on the device at an address that differs from the file offset modulo 2 MiB.</summary>
    ExtentMisaligned,

    /// <summary>The 2 MiB lie well, but a part of them was written before and a part not, which are two extents to the file system.</summary>
    PartlyWritten,

    /// <summary>The 2 MiB lie well, but a part of them is shared with other files (reflink) and a part not.</summary>
    PartlyShared,

    /// <summary>A part of the 2 MiB lies on memory that has failed; the rest stays usable in small pages.</summary>
    Poisoned,

    /// <summary>A private mapping copies single 4 KiB pages when it is written.</summary>
    PrivateWrite,

    /// <summary>Of a space that handles user faults here: pages are shown or protected one by one.</summary>
    UserFaults,

    /// <summary>The machine was told to use 4 KiB pages only.</summary>
    Disabled,

    /// <summary>The place is shown through a table of PTEs already.</summary>
    SmallTable,
}
