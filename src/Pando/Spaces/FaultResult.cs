using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>The outcome of a fault.</summary>
/// <param name="Kind">How it ended.</param>
/// <param name="Address">The address that faulted.</param>
public readonly record struct FaultResult(FaultKind Kind, VirtualAddress Address)
{
    /// <summary>Whether the access can be made again and will succeed (unless something changes meanwhile).</summary>
    public bool IsResolved => Kind <= FaultKind.Spurious;
}
