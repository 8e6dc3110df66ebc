namespace Pando.Linux.Report;

/// <summary>
/// Page sizes of a DAX object. <c>Windows2MiB</c> and <c>Windows4KiB</c>: 2 MiB windows in use with a 2 MiB leaf and
/// with 4 KiB leaves, over all processes. <c>Reasons</c>: of all mapped windows, how many cannot have a 2 MiB leaf,
/// by reason; of those without a reason a 4 KiB leaf was there first (one process's 4 KiB fault decides for all).
/// </summary>
public sealed record DaxPages(long Windows2MiB, long Windows4KiB, IReadOnlyDictionary<string, long> Reasons, string Detail);
