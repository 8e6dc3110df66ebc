using Pando.Spaces;

namespace Pando.Kvm.Tasks;

/// <summary>One return of a program from ring 3. Its registers are in its <see cref="UserContext"/>.</summary>
/// <param name="Kind">Why.</param>
/// <param name="Vector">The vector of an exception, a page fault's 14 included (Intel SDM vol. 3A, table 7-1).</param>
/// <param name="ErrorCode">Its error code; 0 where it has none.</param>
/// <param name="Address">The address that faulted, for <see cref="UserExitKind.PageFault"/>; the physical address, or all ones where the
/// host does not say, for <see cref="UserExitKind.NoMemory"/>.</param>
/// <param name="Fault">For <see cref="UserExitKind.PageFault"/>: what the address space answered.</param>
/// <param name="Report">What a reader needs beside the kind, where there is something; else null.</param>
public readonly record struct UserExit(
    UserExitKind Kind, int Vector = 0, uint ErrorCode = 0, ulong Address = 0, FaultKind Fault = default, string? Report = null);
