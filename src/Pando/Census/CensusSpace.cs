namespace Pando.Census;

/// <summary>
/// An address space of the census, standing for <c>Count</c> spaces with the very same mappings: forked processes
/// are counted without being listed. Mappings need not be sorted; they must not overlap.
/// </summary>
public sealed record CensusSpace(IReadOnlyList<CensusMapping> Mappings, long Count = 1);
