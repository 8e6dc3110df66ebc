namespace Pando.Machines;

/// <summary>The error code of a page fault (Intel SDM vol. 3A, 4.7, figure 4-12; AMD APM vol. 2, 8.4.2).</summary>
[Flags]
public enum PageFaultCode
{
    /// <summary>A load by the kernel from a page that is not present.</summary>
    None = 0,

    /// <summary>P: every entry on the way was present; what was wrong is a right or a reserved bit.</summary>
    Present = 1 << 0,

    /// <summary>W/R: the access was a store.</summary>
    Write = 1 << 1,

    /// <summary>U/S: the access came from user code.</summary>
    User = 1 << 2,

    /// <summary>RSVD: an entry on the way has a bit set that the architecture reserves.</summary>
    Reserved = 1 << 3,

    /// <summary>I/D: the access was an instruction fetch.</summary>
    Fetch = 1 << 4,

    /// <summary>PK: the protection-key rights register denies the data access.</summary>
    ProtectionKey = 1 << 5,
}
