namespace Pando.Hardware;

/// <summary>What an access wants of a page.</summary>
public enum AccessKind
{
    /// <summary>A load.</summary>
    Read,

    /// <summary>A store, or a load that will be followed by a store (a locked instruction).</summary>
    Write,

    /// <summary>An instruction fetch.</summary>
    Execute,
}
