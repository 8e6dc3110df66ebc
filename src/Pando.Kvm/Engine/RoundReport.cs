namespace Pando.Kvm.Engine;

/// <summary>What came of one program's run in many spaces.</summary>
/// <param name="Spaces">Spaces that the program ran in to its end.</param>
/// <param name="Sum">The sum of all that it read, modulo 2^64.</param>
/// <param name="Faults">Page faults that came to the host.</param>
/// <param name="FaultTime">Time in the engine's fault handler, of all vCPUs together.</param>
/// <param name="Exits">Returns of a vCPU to the host, for whatever reason.</param>
/// <param name="Elapsed">Time on the clock.</param>
/// <param name="ProcessorTime">Time that the vCPUs' threads spent in rounds, faults included, all together.</param>
/// <param name="Failures">Spaces in which it did not come to its end, and why: one line each.</param>
public sealed record RoundReport(
    int Spaces, ulong Sum, long Faults, TimeSpan FaultTime, long Exits, TimeSpan Elapsed, TimeSpan ProcessorTime, IReadOnlyList<string> Failures);
