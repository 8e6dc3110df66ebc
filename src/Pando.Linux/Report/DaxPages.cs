namespace Pando.Linux.Report;

/// <summary>
/// Page sizes of a DAX object, in 2 MiB windows over all processes: with a 2 MiB leaf, with 4 KiB leaves, without
/// entries. <c>Reasons</c> says of the windows with 4 KiB leaves why (names of SmallPageReason) and adds up to them.
/// <c>Detail</c> is how the file lies.
/// </summary>
public sealed record DaxPages(long Windows2MiB, long Windows4KiB, long WindowsUnused, IReadOnlyDictionary<string, long> Reasons, string Detail);
