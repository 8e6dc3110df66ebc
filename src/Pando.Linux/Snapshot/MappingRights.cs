namespace Pando.Linux.Snapshot;

/// <summary>The four letters of a line in /proc/PID/maps.</summary>
[Flags]
public enum MappingRights
{
    /// <summary>Private, no access.</summary>
    None = 0,

    /// <summary>PROT_READ.</summary>
    Read = 1,

    /// <summary>PROT_WRITE.</summary>
    Write = 2,

    /// <summary>PROT_EXEC.</summary>
    Execute = 4,

    /// <summary>MAP_SHARED.</summary>
    Shared = 8,
}
