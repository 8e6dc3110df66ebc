namespace Pando.Hardware;

/// <summary>
/// The levels of a page-table tree, counted from the leaves up: 1 = PTE, 2 = PMD, 3 = PUD, 4 = P4D, 5 = PGD. The root is the highest
/// that a <see cref="TableGeometry"/> has, and is called the PGD whatever its level: levels that are not there are folded (Linux: with four
/// levels P4D, with three PUD as well). The numbers are those of the Intel manual's "page table", "page directory",
/// "page-directory-pointer table", PML4 and PML5 (SDM vol. 3A, 4.5); the names are Linux's. Spans are told for x86-64.
/// </summary>
public static class Level
{
    /// <summary>A table of PTEs; it spans 2 MiB.</summary>
    public const int Pte = 1;

    /// <summary>A table of PMDs; it spans 1 GiB.</summary>
    public const int Pmd = 2;

    /// <summary>A table of PUDs; it spans 512 GiB.</summary>
    public const int Pud = 3;

    /// <summary>A table of P4Ds, in a tree with 5 levels; the root, a PGD, in a tree with 4. It spans 256 TiB.</summary>
    public const int P4d = 4;

    /// <summary>The root of a tree with 5 levels, the most that there are; it spans 128 PiB.</summary>
    public const int Pgd = 5;

    /// <summary>
    /// The field's name of a table at <paramref name="level"/> that is not the root: PTE, PMD, PUD, P4D. A root is told by
    /// <see cref="TableGeometry.NameOf"/>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such level.</exception>
    public static string Name(int level) => level switch
    {
        Pte => "PTE",
        Pmd => "PMD",
        Pud => "PUD",
        P4d => "P4D",
        Pgd => "PGD",
        _ => throw new ArgumentOutOfRangeException(nameof(level), level, "Levels are 1 (PTE) to 5 (PGD)."),
    };
}
