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

    /// <summary>
    /// The signal that Linux sends for this exception (arch/x86/kernel/traps.c); none for exits that are no exception,
    /// and for a page fault, of which the engine decides.
    /// </summary>
    internal ProcessSignal Signal => Kind is not (ExitKind.Exception or ExitKind.Breakpoint)
        ? ProcessSignal.None
        : Vector switch
        {
            0 or 16 or 19 => ProcessSignal.FloatingPoint,
            1 or 3 => ProcessSignal.Trap,
            6 => ProcessSignal.IllegalInstruction,
            11 or 12 or 17 => ProcessSignal.Bus,
            _ => ProcessSignal.Segmentation,
        };
}
