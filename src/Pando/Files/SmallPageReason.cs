namespace Pando.Files;

/// <summary>Why a place in a mapping cannot be shown by a 2 MiB leaf: the one vocabulary of the engine's faults, of readers of file systems and of scan. (For DAX the rules are those of Linux, fs/dax.c.)</summary>
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

    /// <summary>The file has no storage in a part of the 2 MiB, or in all of them.</summary>
    Hole,

    /// <summary>The 2 MiB do not lie in one piece on the device.</summary>
    ExtentTooShort,

    /// <summary>The extent lies at a physical address that differs from the file offset modulo 2 MiB.</summary>
    PhysicalNotAligned,

    /// <summary>The 2 MiB go on in place, but a part of them was written before and the next not, which are two extents to the file system.</summary>
    PartlyWritten,

    /// <summary>The 2 MiB go on in place, but a part of them is shared with other files (reflink) and the next not.</summary>
    PartlyShared,

    /// <summary>A part of the 2 MiB lies on memory that has failed; the rest stays usable in small pages.</summary>
    Poisoned,

    /// <summary>A private mapping copies single 4 KiB pages when it is written. (Until then a load may have 2 MiB.)</summary>
    PrivateWrite,

    /// <summary>Of a space that handles user faults here: pages are shown or protected one by one.</summary>
    UserFaults,

    /// <summary>The machine was told to use 4 KiB pages only.</summary>
    Disabled,

    /// <summary>The place is shown through a table of PTEs already.</summary>
    SmallTable,

    /// <summary>Of a live Linux: nothing stands in the way now, but the file had entries of 4 KiB there first. They stay, for every
    /// process, until the kernel drops the file from its cache.</summary>
    SmallEntriesFirst,

    /// <summary>Of a live Linux: the kernel is built without CONFIG_FS_DAX_PMD.</summary>
    KernelWithoutPmd,
}
