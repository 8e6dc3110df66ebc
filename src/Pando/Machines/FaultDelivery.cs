namespace Pando.Machines;

/// <summary>Who is told of a page fault.</summary>
public enum FaultDelivery
{
    /// <summary>The processor's fault handler; the access is made again where it resolved the fault.</summary>
    ToHandler,

    /// <summary>The caller, who sees what the hardware sees: a probe.</summary>
    ToCaller,
}
