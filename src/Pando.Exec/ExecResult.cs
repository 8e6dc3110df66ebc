using Pando.Machines;

namespace Pando.Exec;

/// <summary>How a program ended.</summary>
/// <param name="Status">Its exit status; 128 and the signal's number where a signal ended it.</param>
/// <param name="Signal">The signal that ended it; 0 for none.</param>
/// <param name="Processes">How many processes there were.</param>
/// <param name="Calls">System calls that they made.</param>
/// <param name="MostProcesses">The most that were there at a time.</param>
/// <param name="Tables">The page tables when the first of those was about to end.</param>
public sealed record ExecResult(int Status, int Signal, long Processes, long Calls, int MostProcesses, TableTotals Tables);
