using Pando.Hardware;

namespace Pando.Machines;

/// <summary>The outcome of an access, with what a signal handler would be told.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Address">
/// Where it went wrong: what CR2 holds after a page fault. An access that crosses into a second page may fail at the
/// start of that page. Zero where the access was made.
/// </param>
/// <param name="Code">The error code, for an outcome that began as a page fault.</param>
public readonly record struct AccessResult(AccessOutcome Outcome, VirtualAddress Address, PageFaultCode Code)
{
    /// <summary>Whether the access was made.</summary>
    public bool IsCompleted => Outcome == AccessOutcome.Completed;

    /// <summary>What happened, in words.</summary>
    public override string ToString() => Outcome switch
    {
        AccessOutcome.Completed => "completed",
        AccessOutcome.GeneralProtection => $"general protection at {Address}: the address is not canonical",
        AccessOutcome.NoBytes =>
            $"the memory behind {Address} keeps no bytes, so it cannot be loaded from or stored to; translate the address instead, or give the device a backing (sparse or a file)",
        AccessOutcome.NoSpace => $"no space is loaded for an access at {Address}: none ever was, or it has ended",
        _ => $"{Outcome} at {Address} (page-fault code {Code})",
    };
}
