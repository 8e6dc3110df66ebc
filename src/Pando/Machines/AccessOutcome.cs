namespace Pando.Machines;

/// <summary>How an access by a processor ended.</summary>
public enum AccessOutcome
{
    /// <summary>The access was made.</summary>
    Completed,

    /// <summary>A page fault that went to the caller: <see cref="FaultDelivery.ToCaller"/>, or no handler is there.</summary>
    PageFault,

    /// <summary>
    /// The address does not have the form that the architecture demands: #GP on x86-64, which Linux turns into
    /// SIGSEGV with SI_KERNEL.
    /// </summary>
    GeneralProtection,

    /// <summary>A page fault that the handler answered with SIGSEGV, SEGV_MAPERR: nothing is mapped there.</summary>
    NotMapped,

    /// <summary>A page fault that the handler answered with SIGSEGV, SEGV_ACCERR: the mapping does not allow the access.</summary>
    NotAllowed,

    /// <summary>A page fault because of the protection key of the page, or of what is mapped there: SIGSEGV, SEGV_PKUERR.</summary>
    DeniedByKey,

    /// <summary>A page fault that the handler answered with SIGBUS, BUS_ADRERR: past the end of the file.</summary>
    BusError,

    /// <summary>A page fault that the handler answered with SIGBUS, BUS_MCEERR_AR: the page's memory has failed.</summary>
    HardwarePoison,

    /// <summary>A page fault for which the handler found no memory.</summary>
    OutOfMemory,

    /// <summary>The translation is good, but the memory there keeps no bytes.</summary>
    NoBytes,

    /// <summary>No space is loaded: none ever was, or it has ended.</summary>
    NoSpace,
}
