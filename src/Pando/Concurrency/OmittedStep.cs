namespace Pando.Concurrency;

/// <summary>
/// Steps of the engine that a test may leave out, or let fail, by <see cref="Omissions"/>: to show that the tests see it, or that
/// the engine copes with it.
/// </summary>
internal enum OmittedStep
{
    /// <summary>A frame is found: left out, memory is out.</summary>
    Allocation,

    /// <summary>A flush reaches processors.</summary>
    Flush,

    /// <summary>A table that shows nothing any more is freed.</summary>
    TableFreed,

    /// <summary>An area is joined to one that it continues.</summary>
    AreasJoined,

    /// <summary>mprotect and UFFDIO_WRITEPROTECT change entries, and not only areas and marks.</summary>
    RightsChanged,
}
