using Pando.Hardware;

namespace Pando.Machines;

/// <summary>How many page tables there are, by level, and whose.</summary>
public sealed record TableTotals
{
    private readonly int _tableBytes;

    internal TableTotals(IReadOnlyList<long> spaces, IReadOnlyList<long> files, int tableBytes) => (Spaces, Files, _tableBytes) = (spaces, files, tableBytes);

    /// <summary>Tables that belong to address spaces; index = level (1 = PTE, 2 = PMD, ... as in <see cref="Level"/>), 0 unused.</summary>
    public IReadOnlyList<long> Spaces { get; }

    /// <summary>Tables that belong to files, in the same way.</summary>
    public IReadOnlyList<long> Files { get; }

    /// <summary>Tables of a level, of all owners.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such level.</exception>
    public long At(int level)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(level, Level.Pte);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, Level.Pgd);
        return Spaces[level] + Files[level];
    }

    /// <summary>All tables.</summary>
    public long Count => Spaces.Sum() + Files.Sum();

    /// <summary>Bytes of all tables.</summary>
    public long Bytes => Count * _tableBytes;
}
