namespace Pando.Tests.Model;

/// <summary>How an access ends.</summary>
internal enum Touch
{
    /// <summary>It is made.</summary>
    Allowed,

    /// <summary>SIGSEGV, SEGV_MAPERR.</summary>
    NotMapped,

    /// <summary>SIGSEGV, SEGV_ACCERR.</summary>
    NotAllowed,

    /// <summary>SIGSEGV, SEGV_PKUERR.</summary>
    DeniedByKey,

    /// <summary>SIGBUS.</summary>
    BusError,
}
