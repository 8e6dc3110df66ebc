using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// What a page table belongs to, from its birth to its death: one address space (<see cref="SpaceTables"/>) or one
/// file (<see cref="SharedTableOwner"/>). A table never changes its owner.
/// </summary>
public abstract class TableOwner
{
    // Tables by level; index 0 unused. Changed by atomic steps.
    private readonly int[] _tables = new int[Level.Pgd + 1];

    private protected TableOwner()
    {
    }

    /// <summary>The number under which the owner stands in the records of its tables.</summary>
    internal int Id { get; set; }

    /// <summary>How many tables of a level (1 = PTE, 2 = PMD, ... as in <see cref="Level"/>) belong to this owner. Safe for threads.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such level.</exception>
    public int TablesAt(int level)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(level, Level.Pte);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, Level.Pgd);
        return Volatile.Read(ref _tables[level]);
    }

    /// <summary>How many tables belong to this owner. Safe for threads; exact at rest.</summary>
    public int TableCount
    {
        get
        {
            int sum = 0;
            for (int level = Level.Pte; level <= Level.Pgd; level++)
            {
                sum += TablesAt(level);
            }

            return sum;
        }
    }

    internal void CountTable(int level, int change) => Interlocked.Add(ref _tables[level], change);
}
