namespace Pando.Tests.Model;

/// <summary>The format of a run's tables.</summary>
internal enum ModelFormat
{
    /// <summary>x86-64, with 4 levels or 5.</summary>
    X64,

    /// <summary>3 levels, no rights in slots, and faults set the marks.</summary>
    NoSlotRights,

    /// <summary>Pages of 64 KiB.</summary>
    LargeGranule,
}
