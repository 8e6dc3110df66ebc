namespace Pando.Linux.Snapshot;

/// <summary>
/// What fork costs on this machine, measured there: nanoseconds for each table of PTEs of private memory that is copied, and for
/// each 4 KiB page in these. What does not grow with memory is left out.
/// </summary>
public sealed record ForkRate(double NanosecondsPerTable, double NanosecondsPerPage);
