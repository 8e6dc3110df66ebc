namespace Pando.Linux.Analysis;

/// <summary>Why a 2 MiB window of a DAX mapping gets 4 KiB leaves: the checks of the kernel's PMD fault (fs/dax.c,
/// dax_fault_check_fallback and dax_iomap_pmd_fault), as far as they can be seen from outside.</summary>
public enum DaxRefusal
{
    /// <summary>Nothing stands in the way of a 2 MiB leaf.</summary>
    None,

    /// <summary>The kernel is built without CONFIG_FS_DAX_PMD.</summary>
    KernelWithoutPmd,

    /// <summary>Address and file offset differ modulo 2 MiB.</summary>
    AddressNotCongruent,

    /// <summary>A private mapping that may be written: a write copies one page of 4 KiB. (Until then a read may have a
    /// 2 MiB leaf.)</summary>
    PrivateMapping,

    /// <summary>The mapping does not cover the whole 2 MiB window.</summary>
    WindowNotCovered,

    /// <summary>The file ends in the window.</summary>
    EndOfFile,

    /// <summary>A part of the window is a hole of the file. (A hole that fills a window does no harm.)</summary>
    Hole,

    /// <summary>The window does not lie in one piece on the device.</summary>
    ExtentTooShort,

    /// <summary>The window does not lie at a multiple of 2 MiB of the persistent memory.</summary>
    PhysicalNotAligned,

    /// <summary>The window lies well, but a part of it was written before and a part not, which are two extents to the
    /// kernel: by a fault of 4 KiB or a small write.</summary>
    PartlyWritten,

    /// <summary>Nothing stands in the way now: the file had entries of 4 KiB there first. They stay, for every process,
    /// until the kernel drops the file from its cache.</summary>
    SmallEntriesFirst,
}
