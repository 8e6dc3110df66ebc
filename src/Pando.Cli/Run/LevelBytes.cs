namespace Pando.Cli.Run;

/// <summary>Bytes of page tables of one level, as counted.</summary>
/// <param name="Level">PTE, PMD, PUD, P4D (with five levels), and PGD for the root.</param>
/// <param name="PerProcess">Those of each process's own.</param>
/// <param name="File">Those of the file: once for all.</param>
/// <param name="Total">All of the processes that were built, and the file's.</param>
/// <param name="TotalOfAll">The same for all processes that were asked for; extrapolated where not all were built.</param>
internal sealed record LevelBytes(string Level, long PerProcess, long File, long Total, long TotalOfAll);
