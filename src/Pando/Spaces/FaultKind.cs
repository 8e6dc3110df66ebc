namespace Pando.Spaces;

/// <summary>How a fault ended.</summary>
public enum FaultKind
{
    /// <summary>A leaf was filled.</summary>
    Populated,

    /// <summary>Only a slot was missing: the leaf was there already, put by somebody else.</summary>
    Attached,

    /// <summary>The leaf became writable because its page is written for the first time.</summary>
    WriteEnabled,

    /// <summary>A private page was copied, or given its first frame.</summary>
    Copied,

    /// <summary>The leaf was marked as accessed or dirty, where processors leave that to the fault handler.</summary>
    Marked,

    /// <summary>All was as it should be: another thread was quicker, or the processor's translation was stale.</summary>
    Spurious,

    /// <summary>Nothing is mapped there: SIGSEGV with SEGV_MAPERR.</summary>
    NotMapped,

    /// <summary>What is mapped there does not allow the access: SIGSEGV with SEGV_ACCERR.</summary>
    NotAllowed,

    /// <summary>The protection key of what is mapped there denies the access: SIGSEGV with SEGV_PKUERR.</summary>
    DeniedByKey,

    /// <summary>The mapping reaches past the end of the file, or the device is full: SIGBUS with BUS_ADRERR.</summary>
    BusError,

    /// <summary>The memory of the page has failed: SIGBUS with BUS_MCEERR_AR.</summary>
    HardwarePoison,

    /// <summary>No frame could be had, even after reclaiming.</summary>
    OutOfMemory,
}
