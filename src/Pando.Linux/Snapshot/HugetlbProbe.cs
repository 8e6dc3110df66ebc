namespace Pando.Linux.Snapshot;

/// <summary>
/// One look at one huge page: of object <c>ObjectNumber</c>, page at <c>Offset</c> (bytes) is present in the tables of
/// <c>Present</c> (process ids), and /proc/kpagecount says <c>Tables</c> page tables point at it. Null where
/// kpagecount or frame numbers are not permitted. It stands for <c>StandsFor</c> GiBs of the object, of which the others were not looked at.
/// </summary>
public sealed record HugetlbProbe(int ObjectNumber, long Offset, IReadOnlyList<int> Present, long? Tables, int StandsFor = 1);
