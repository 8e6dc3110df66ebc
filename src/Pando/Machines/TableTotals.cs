using Pando.Hardware;

namespace Pando.Machines;

/// <summary>How many page tables there are, by level, and whose.</summary>
/// <param name="Spaces">Tables that belong to address spaces; index = level (1 = PTE ... 5 = PGD), 0 unused.</param>
/// <param name="Files">Tables that belong to files, in the same way.</param>
public sealed record TableTotals(IReadOnlyList<long> Spaces, IReadOnlyList<long> Files)
{
    /// <summary>Tables of a level, of all owners.</summary>
    public long At(int level) => Spaces[level] + Files[level];

    /// <summary>All tables.</summary>
    public long Count => Spaces.Sum() + Files.Sum();

    /// <summary>Bytes of all tables.</summary>
    public long Bytes => Count * Level.PageSize;
}
