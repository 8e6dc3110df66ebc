namespace Pando.Machines;

/// <summary>What a processor has counted since it was made.</summary>
/// <param name="Walks">Walks through tables, from the root or from a cached upper entry.</param>
/// <param name="TlbHits">Look-ups of one page that the TLB answered, with a translation or with a fault.</param>
/// <param name="TlbMisses">Look-ups of one page that needed a walk.</param>
/// <param name="UpperHits">Walks that began at a cached upper entry.</param>
/// <param name="Faults">Page faults.</param>
/// <param name="Drops">Flushes from elsewhere that found their space here.</param>
/// <param name="Recycles">Contexts that made room for another space.</param>
public readonly record struct ProcessorCounters(
    long Walks,
    long TlbHits,
    long TlbMisses,
    long UpperHits,
    long Faults,
    long Drops,
    long Recycles);
