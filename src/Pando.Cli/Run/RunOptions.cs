using Pando.Hardware;

namespace Pando.Cli.Run;

/// <summary>What `pando run` was asked to build; every value is usable.</summary>
/// <param name="Memory">Bytes that every process maps.</param>
/// <param name="Processes">How many processes.</param>
/// <param name="PageSize">One of the format's: 4 KiB, 2 MiB or 1 GiB.</param>
/// <param name="Shares">One world for each, in this order.</param>
/// <param name="LeftOut">Those of the default that were left out, since the budget does not hold two of their processes.</param>
/// <param name="Format">The format of the page tables.</param>
/// <param name="PmemPath">The file that keeps the memory's bytes, or null.</param>
/// <param name="Threads">Threads that build.</param>
/// <param name="Budget">The most RAM that a world's page tables may take.</param>
internal sealed record RunOptions(
    long Memory,
    int Processes,
    long PageSize,
    IReadOnlyList<ShareLevel> Shares,
    IReadOnlyList<ShareLevel> LeftOut,
    EntryFormat Format,
    string? PmemPath,
    int Threads,
    long Budget)
{
    /// <summary>What runs the program in every process.</summary>
    public ProcessorChoice Processor { get; init; } = ProcessorChoice.Software("");

    /// <summary>The level of the tables that hold the leaves.</summary>
    public int LeafLevel => Format.Geometry.LeafLevels.First(level => Format.Geometry.EntrySpan(level) == PageSize);
}
