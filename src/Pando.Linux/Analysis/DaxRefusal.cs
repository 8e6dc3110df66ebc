namespace Pando.Linux.Analysis;

/// <summary>Why a 2 MiB window of a DAX mapping gets 4 KiB pages: the checks of the kernel's PMD fault (fs/dax.c),
/// in its order.</summary>
public enum DaxRefusal
{
    /// <summary>Nothing stands in the way of a 2 MiB leaf.</summary>
    None,

    /// <summary>The kernel is built without CONFIG_FS_DAX_PMD.</summary>
    KernelWithoutPmd,

    /// <summary>Address and file offset differ modulo 2 MiB.</summary>
    AddressNotCongruent,

    /// <summary>A private mapping: writes would copy pages.</summary>
    PrivateMapping,

    /// <summary>The mapping does not cover the whole 2 MiB window.</summary>
    WindowNotCovered,

    /// <summary>The file ends in the window.</summary>
    EndOfFile,

    /// <summary>The file has a hole in the window.</summary>
    Hole,

    /// <summary>The window is not in one extent, or not one after another on the device.</summary>
    ExtentTooShort,

    /// <summary>The extent does not lie at a multiple of 2 MiB in persistent memory.</summary>
    PhysicalNotAligned,
}
