namespace Pando.Hardware;

/// <summary>How the processor may cache a page (Intel SDM vol. 3A, 11.3; Arm: MAIR_EL1).</summary>
public enum MemoryType
{
    /// <summary>Ordinary memory.</summary>
    WriteBack,

    /// <summary>Every store goes through to memory.</summary>
    WriteThrough,

    /// <summary>Not cached.</summary>
    Uncached,
}
