namespace Pando.Linux.Report;

/// <summary>
/// What a cure would make of an object's tables.
/// </summary>
/// <param name="Id">Short name, for programs.</param>
/// <param name="Name">Name, for people.</param>
/// <param name="Available">True if this kernel can do it today.</param>
/// <param name="WhyNot">Why it cannot be applied to this object; null if it can.</param>
/// <param name="BytesAfter">Bytes of tables with entries after the cure; null if it cannot be applied.</param>
/// <param name="SavedBytes">What it saves; null if it cannot be applied.</param>
/// <param name="AtBytesNow">Bytes at the number of processes asked for, as things are; null if none was asked.</param>
/// <param name="AtBytesAfter">The same after the cure.</param>
/// <param name="Cost">What it costs.</param>
public sealed record Cure(
    string Id,
    string Name,
    bool Available,
    string? WhyNot,
    long? BytesAfter,
    long? SavedBytes,
    long? AtBytesNow,
    long? AtBytesAfter,
    string Cost)
{
    /// <summary>Memory that it takes for the object itself, in bytes; null where that does not change.</summary>
    public long? MemoryBytes { get; init; }
}
