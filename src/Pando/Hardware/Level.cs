namespace Pando.Hardware;

/// <summary>
/// The levels of a page-table tree with 4 KiB granules and 512 entries a table: 1 = PTE, 2 = PMD, 3 = PUD,
/// 4 = P4D (the root where there are 4 levels), 5 = PGD. The numbers are those of the Intel manual's "page table",
/// "page directory", "page-directory-pointer table", PML4 and PML5 (SDM vol. 3A, 4.5); the names are Linux's.
/// </summary>
/// <remarks>What is worked out here is worked out without a look at the level: of another than those it means nothing.</remarks>
public static class Level
{
    /// <summary>Entries in one table.</summary>
    public const int Entries = 512;

    /// <summary>Bytes of one base page, and of one table.</summary>
    public const int PageSize = 4096;

    /// <summary>log2 of <see cref="PageSize"/>.</summary>
    public const int PageShift = 12;

    /// <summary>A table of PTEs; it spans 2 MiB.</summary>
    public const int Pte = 1;

    /// <summary>A table of PMDs; it spans 1 GiB.</summary>
    public const int Pmd = 2;

    /// <summary>A table of PUDs; it spans 512 GiB.</summary>
    public const int Pud = 3;

    /// <summary>A table of P4Ds; it spans 256 TiB. The root of a tree with 4 levels.</summary>
    public const int P4d = 4;

    /// <summary>The root of a tree with 5 levels; it spans 128 PiB.</summary>
    public const int Pgd = 5;

    /// <summary>log2 of the bytes that one entry of a table at <paramref name="level"/> covers.</summary>
    public static int EntryShift(int level) => PageShift + (9 * (level - 1));

    /// <summary>Bytes that one entry of a table at <paramref name="level"/> covers: 4 KiB, 2 MiB, 1 GiB, 512 GiB, ...</summary>
    public static long EntrySpan(int level) => 1L << EntryShift(level);

    /// <summary>Bytes that a whole table at <paramref name="level"/> covers: its span.</summary>
    public static long TableSpan(int level) => 1L << (EntryShift(level) + 9);

    /// <summary>The index of the entry for an address in the table at <paramref name="level"/> on its way.</summary>
    public static int Index(ulong address, int level) => (int)(address >> EntryShift(level)) & (Entries - 1);

    /// <summary>The field's name of a table at <paramref name="level"/>: PTE, PMD, PUD, P4D, PGD.</summary>
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
