namespace Pando.Cli.Run;

/// <summary>What came of the program that ran in every process: it reads a word of each page and adds 1 to the next.</summary>
/// <param name="Processor">"kvm" or "software"; empty where it did not run.</param>
/// <param name="Why">Why it was not KVM, or did not run at all, where the command decided that.</param>
/// <param name="Walks">What the processors walk: "tables" or "shadow" (a hypervisor's copy of them).</param>
/// <param name="Processors">How many took turns.</param>
/// <param name="Spaces">Processes in which it ran to its end.</param>
/// <param name="PagesPerSpace">Pages that it read and wrote in each.</param>
/// <param name="Accesses">Reads and writes together.</param>
/// <param name="Faults">Page faults that the engine served.</param>
/// <param name="FaultSeconds">Time in the engine's fault handler, of all processors together.</param>
/// <param name="Seconds">Time on the clock.</param>
/// <param name="BytesInFile">Counters that were found again in the file given as --pmem, read as a file.</param>
/// <param name="Wrong">Sums and counters that are not what they must be, processes that did not come to the end.</param>
/// <param name="FirstWrong">The first of those, in words.</param>
internal sealed record ProgramReport(
    string Processor,
    string Why,
    string Walks,
    int Processors,
    int Spaces,
    int PagesPerSpace,
    long Accesses,
    long Faults,
    double FaultSeconds,
    double Seconds,
    int? BytesInFile,
    int Wrong,
    string? FirstWrong)
{
    /// <summary>Whether all sums are right.</summary>
    public bool Passed => Wrong == 0;
}
