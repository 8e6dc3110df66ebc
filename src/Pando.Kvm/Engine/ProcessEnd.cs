using Pando.Kvm.Processor;

namespace Pando.Kvm.Engine;

/// <summary>How a process ended.</summary>
/// <param name="Signal">The signal that ended it; none where it exited.</param>
/// <param name="Result">What it exited with.</param>
/// <param name="Address">The address that it went wrong at, where a page fault was the cause.</param>
/// <param name="Report">What a reader needs beside the signal: a failed vCPU's registers and walk.</param>
internal sealed record ProcessEnd(ProcessSignal Signal, ulong Result = 0, ulong Address = 0, string? Report = null);
