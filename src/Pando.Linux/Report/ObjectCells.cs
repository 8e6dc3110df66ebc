namespace Pando.Linux.Report;

/// <summary>
/// Who has tables for which GiB of an object: the picture of sharing. <c>Tables[row][cell]</c> is 0 where process
/// <c>Pids[row]</c> has no table for that GiB of the object, 1 where it has one of its own, 2 where it shares one.
/// Rows are a selection where there are many processes.
/// </summary>
public sealed record ObjectCells(int ObjectNumber, int Processes, int Cells, IReadOnlyList<int> Pids, IReadOnlyList<IReadOnlyList<int>> Tables);
