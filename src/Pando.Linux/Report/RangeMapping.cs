namespace Pando.Linux.Report;

/// <summary>Another mapping of the same object in the same process: addresses [Start, End), the rights as maps writes them, the object's
/// offset at its start in bytes, and the address at which it shows the page that was asked about (null if it does not).</summary>
public sealed record RangeMapping(ulong Start, ulong End, string Rights, long Offset, ulong? SameAt);
