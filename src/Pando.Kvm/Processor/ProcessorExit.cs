namespace Pando.Kvm.Processor;

/// <summary>One return of a vCPU to the host. Its registers are the vCPU's, set to what ring 3 would resume with.</summary>
/// <param name="Kind">Why.</param>
/// <param name="Vector">The exception's vector where it was one.</param>
/// <param name="ErrorCode">The exception's error code; 0 where it has none.</param>
/// <param name="Address">CR2 of a page fault; the guest-physical address of <see cref="ExitKind.NoMemory"/>.</param>
/// <param name="Failure">The report of a <see cref="ExitKind.Failed"/> exit, else null.</param>
internal readonly record struct ProcessorExit(
    ExitKind Kind, int Vector = 0, uint ErrorCode = 0, ulong Address = 0, FailureReport? Failure = null)
{
    /// <summary>The error code of a page fault by its bits.</summary>
    internal PageFaultError PageFaultError => (PageFaultError)ErrorCode;
}
