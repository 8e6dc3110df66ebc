using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>The outcome of a mapping: an address, or an error and nothing changed.</summary>
/// <param name="Address">Where the mapping begins.</param>
/// <param name="Error">Why there is none.</param>
public readonly record struct MapResult(VirtualAddress Address, Errno Error)
{
    /// <summary>Whether it was mapped.</summary>
    public bool Succeeded => Error == Errno.None;

    /// <summary>The address.</summary>
    /// <exception cref="InvalidOperationException">There is none; the message has the error.</exception>
    public VirtualAddress Value => Succeeded ? Address : throw new InvalidOperationException($"The mapping failed with {Error}.");

    /// <inheritdoc/>
    public override string ToString() => Succeeded ? $"mapped at {Address}" : $"{Error}";

    internal static MapResult Failed(Errno error) => new(default, error);
}
