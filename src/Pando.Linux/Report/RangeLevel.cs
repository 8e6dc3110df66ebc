namespace Pando.Linux.Report;

/// <summary>
/// The table of one level that translates an address: its span, whether entries under it were found, what else of
/// the process lies in the span, how many other processes could use the very same table under Pando's rule, and if
/// it cannot be shared, why.
/// </summary>
public sealed record RangeLevel(string Table, ulong SpanStart, ulong SpanEnd, bool Populated, int OtherMappings, int CouldShareWith, string? WhyNot)
{
    /// <summary>How many other spans of the process itself, in other mappings of the object, the table could serve.</summary>
    public int CouldShareHere { get; init; }
}
