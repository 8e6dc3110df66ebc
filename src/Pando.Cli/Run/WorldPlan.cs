using Pando.Hardware;
using Pando.Linux.Text;

namespace Pando.Cli.Run;

/// <summary>
/// What a world's page tables come to, by geometry alone: so that it is known before anything is built how much of
/// it fits. What is printed is not this but what was built and counted.
/// </summary>
/// <param name="Options">What was asked for.</param>
/// <param name="Share">How the world shares.</param>
/// <param name="FileTables">Tables that there are once for all processes.</param>
/// <param name="TablesPerProcess">Tables that every process has for itself.</param>
internal sealed record WorldPlan(RunOptions Options, ShareLevel Share, long FileTables, long TablesPerProcess)
{
    public static WorldPlan For(RunOptions options, ShareLevel share)
    {
        long file = 0;
        long own = 1; // the root
        for (int level = options.LeafLevel; level < options.Format.Geometry.Levels; level++)
        {
            long span = options.Format.Geometry.TableSpan(level);
            long tables = (options.Memory + span - 1) / span;
            if (level <= share.Level)
            {
                file += tables;
            }
            else
            {
                own += tables;
            }
        }

        return new WorldPlan(options, share, file, own);
    }

    /// <summary>Whether a process finds the leaves in tables that others have filled; if not, it fills its own.</summary>
    public bool LeavesAreShared => Options.LeafLevel <= Share.Level;

    /// <summary>Bytes of all tables with so many processes.</summary>
    public long BytesFor(long processes) => (FileTables + (processes * TablesPerProcess)) * Options.Format.Geometry.PageSize;

    /// <summary>How many of the processes fit in the budget.</summary>
    public int ProcessesToBuild =>
        (int)Math.Clamp(((Options.Budget / Options.Format.Geometry.PageSize) - FileTables) / TablesPerProcess, 0, Options.Processes);

    /// <summary>RAM for the machine: reserved, and used only as far as tables and their indexes need it.</summary>
    public long MachineRam
    {
        get
        {
            // An index frame for every 512 tables of a file, and what the allocator keeps back per processor.
            long need = BytesFor(ProcessesToBuild) + (FileTables * 16) + (64L << 20);
            long block = Options.Format.Geometry.EntrySpan(Level.Pmd);
            return (need + block - 1) / block * block;
        }
    }

    /// <summary>Whether at least two processes (or the only one) fit in the budget.</summary>
    public bool Fits => ProcessesToBuild >= Math.Min(2, Options.Processes);

    /// <exception cref="InputException">Not even two processes (or the only one) fit in the budget.</exception>
    public void ThrowIfTooLarge(long available)
    {
        int least = Math.Min(2, Options.Processes);
        if (Fits)
        {
            return;
        }

        long need = BytesFor(least);
        string budget = need <= available ? $"use --budget {ByteSize.Exact((need + (1 << 20) - 1) >> 20 << 20)} or more, or" : $"this host has {ByteText.Precise(available)} to give; use";
        throw new InputException(
            $"not enough RAM: with {(Share.Level == 0 ? "no sharing" : $"sharing at {Share.Name}")}, the page tables of {(least == 1 ? "one process" : "two processes")} take {ByteText.Precise(need)}, the budget is {ByteText.Precise(Options.Budget)}; {budget} less --memory{(Options.LeafLevel == Level.Pte && Options.Memory % Options.Format.Geometry.EntrySpan(Level.Pmd) == 0 ? " or --page 2MiB" : "")}");
    }
}
