namespace Pando.Spaces;

/// <summary>What is known of an area beside its rights.</summary>
[Flags]
public enum AreaFlags
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>MAP_SHARED rather than MAP_PRIVATE.</summary>
    Shared = 1 << 0,

    /// <summary>MAP_SYNC: a page is write-enabled only when the file's metadata is durable.</summary>
    Synchronous = 1 << 1,

    /// <summary>mlock: pages are faulted in and stay.</summary>
    Locked = 1 << 2,

    /// <summary>mlock2 with MLOCK_ONFAULT: pages stay once they are faulted in.</summary>
    LockedOnFault = 1 << 3,

    /// <summary>MADV_DONTFORK: a child does not get the area.</summary>
    DontFork = 1 << 4,

    /// <summary>MADV_WIPEONFORK: a child gets it empty.</summary>
    WipeOnFork = 1 << 5,

    /// <summary>MADV_DONTDUMP: left out of core dumps.</summary>
    DontDump = 1 << 6,

    /// <summary>MADV_HUGEPAGE.</summary>
    HugePages = 1 << 7,

    /// <summary>MADV_NOHUGEPAGE.</summary>
    NoHugePages = 1 << 8,

    /// <summary>MADV_SEQUENTIAL.</summary>
    Sequential = 1 << 9,

    /// <summary>MADV_RANDOM.</summary>
    Random = 1 << 10,

    /// <summary>MADV_MERGEABLE.</summary>
    Mergeable = 1 << 11,

    /// <summary>mseal: nothing may be changed any more.</summary>
    Sealed = 1 << 12,

    /// <summary>userfaultfd: faults on pages that do not exist go to the handler.</summary>
    UserMissing = 1 << 13,

    /// <summary>userfaultfd: faults on pages that exist but are not mapped here go to the handler.</summary>
    UserMinor = 1 << 14,

    /// <summary>userfaultfd: stores to protected pages go to the handler.</summary>
    UserWriteProtect = 1 << 15,
}
