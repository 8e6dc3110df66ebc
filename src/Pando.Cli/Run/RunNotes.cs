using Pando.Linux.Text;

namespace Pando.Cli.Run;

/// <summary>What has to be said below the table.</summary>
internal static class RunNotes
{
    // The case of the thread that asked (linux-mm, 21 February 2019), and what it says that it takes.
    private const long ThreadMemory = 6L << 40;
    private const int ThreadProcesses = 10_000;
    private const long ThreadPage = 2L << 20;

    public static IEnumerable<string> For(RunReport report)
    {
        foreach (var world in report.Worlds.Where(world => world.Extrapolated))
        {
            string same = world.AllCostTheSame
                ? $"every one has {ByteText.Precise(world.PerProcessBytes)} of page tables of its own"
                : "NOT every one costs the same, so the total cannot be trusted";
            yield return FormattableString.Invariant(
                $"* {(world.Share == ShareLevel.None.Name ? "nothing shared" : "shared at " + world.Share)}: extrapolated. {world.ProcessesBuilt:N0} of {report.Processes:N0} processes were built (--budget {ByteSize.Exact(report.BudgetBytes)}); {same}.");
        }

        foreach (string share in report.LeftOut)
        {
            yield return $"  {share}: left out, the budget of {ByteText.Precise(report.BudgetBytes)} does not hold two such processes; give --budget, or --share {share} to see what it takes.";
        }

        var unshared = report.Worlds.FirstOrDefault(world => world.Share == ShareLevel.None.Name);
        if (unshared is not null && report is { MemoryBytes: ThreadMemory, Processes: ThreadProcesses, PageBytes: ThreadPage })
        {
            var pmd = unshared.Levels.First(level => level.Level == "PMD");
            long rounded = report.MemoryBytes / report.PageBytes * sizeof(ulong) / (1 << 20) * report.Processes / 1000;
            yield return FormattableString.Invariant(
                $"  {ByteText.Precise(unshared.TotalBytesOfAll)} is with all levels. The thread's {rounded} GiB counts the PMD pages alone ({ByteText.Precise(pmd.TotalOfAll)}), with 1000 MiB to a GiB.");
        }

        foreach (string note in ProgramRows.Notes(report.Worlds))
        {
            yield return note;
        }

        foreach (var world in report.Worlds)
        {
            if (!world.Proof.HasBytes)
            {
                yield return $"  {world.Share}: this host has no {ByteText.Precise(report.MemoryBytes)} of addresses for the memory's bytes, so translations were compared with where the file lies.";
            }

            if (world.Proof.FirstWrong is { } wrong)
            {
                yield return $"! {world.Share}: {wrong}";
            }

            foreach (string violation in world.Proof.Violations.Take(5))
            {
                yield return $"! {world.Share}: the auditor says: {violation}";
            }
        }

        if (report.Pmem is not null)
        {
            yield return $"  The memory's bytes are in '{report.Pmem}'.";
        }
    }
}
