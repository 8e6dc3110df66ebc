namespace Pando.Spaces;

/// <summary>Which faults of a range go to a handler: UFFDIO_REGISTER_MODE_MISSING, _WP, _MINOR.</summary>
[Flags]
public enum UserFaultModes
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Faults on pages that do not exist.</summary>
    Missing = 1,

    /// <summary>Stores to protected pages.</summary>
    WriteProtect = 2,

    /// <summary>Faults on pages that the file has but the space does not map.</summary>
    Minor = 4,
}
