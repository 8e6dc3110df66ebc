namespace Pando.Cli.Run;

/// <summary>What one world came to: everything counted or measured in it while it stood.</summary>
/// <param name="Share">As --share takes it.</param>
/// <param name="ProcessesBuilt">Processes that were built.</param>
/// <param name="Extrapolated">Whether that is fewer than were asked for, so that totals for all are extrapolated.</param>
/// <param name="AllCostTheSame">Whether every process has as many tables, level by level, as the first.</param>
/// <param name="Levels">Page tables by level, highest first.</param>
/// <param name="PerProcessBytes">Page tables of each process's own.</param>
/// <param name="FileBytes">Page tables of the file.</param>
/// <param name="TotalBytes">Page tables of all that was built.</param>
/// <param name="TotalBytesOfAll">Page tables of all that was asked for; extrapolated where not all was built.</param>
/// <param name="LeafFaults">Leaves that were filled by faulting in, by all processes.</param>
/// <param name="Attaches">Slots that were pointed at the file's tables.</param>
/// <param name="FirstSeconds">The first process: map, and fault in everything.</param>
/// <param name="BuildSeconds">All processes.</param>
/// <param name="MicrosecondsPerProcess">Wall time for each process after the first; null where there were none.</param>
/// <param name="NanosecondsPerAttach">The same for each attach; null where a process has few.</param>
/// <param name="ExitMicroseconds">Exit of one process, median of a few; null where only one was built.</param>
/// <param name="ResidentBytes">Resident memory of the command while the world stood (VmRSS).</param>
/// <param name="ResidentPeakBytes">The most that it had been until then (VmHWM).</param>
/// <param name="Proof">How it was proved right.</param>
/// <param name="Program">What came of the program that ran in every process.</param>
internal sealed record WorldReport(
    string Share,
    int ProcessesBuilt,
    bool Extrapolated,
    bool AllCostTheSame,
    IReadOnlyList<LevelBytes> Levels,
    long PerProcessBytes,
    long FileBytes,
    long TotalBytes,
    long TotalBytesOfAll,
    long LeafFaults,
    long Attaches,
    double FirstSeconds,
    double BuildSeconds,
    double? MicrosecondsPerProcess,
    double? NanosecondsPerAttach,
    double? ExitMicroseconds,
    long ResidentBytes,
    long ResidentPeakBytes,
    ProofReport Proof,
    ProgramReport Program)
{
    /// <summary>Whether all of it is as it should be.</summary>
    public bool Passed => AllCostTheSame && Proof.Passed && Program.Passed;
}
