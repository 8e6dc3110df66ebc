namespace Pando.Linux.Report;

/// <summary>Bytes of page tables by level: PTE tables (each spans 2 MiB), PMD (1 GiB), PUD (512 GiB).</summary>
public sealed record TablesByLevel(long Pte, long Pmd, long Pud)
{
    /// <summary>All levels.</summary>
    public long Total => Pte + Pmd + Pud;
}
