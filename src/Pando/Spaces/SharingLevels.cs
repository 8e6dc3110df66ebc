namespace Pando.Spaces;

/// <summary>At which levels address spaces may attach to a file's tables. The highest that fits is taken.</summary>
[Flags]
public enum SharingLevels
{
    /// <summary>Nothing is shared: every space has tables of its own.</summary>
    None = 0,

    /// <summary>Tables of PTEs, which span 2 MiB.</summary>
    Pte = 1 << Hardware.Level.Pte,

    /// <summary>Tables of PMDs, which span 1 GiB.</summary>
    Pmd = 1 << Hardware.Level.Pmd,

    /// <summary>Tables of PUDs, which span 512 GiB.</summary>
    Pud = 1 << Hardware.Level.Pud,

    /// <summary>Tables of P4Ds, which span 256 TiB; with 5 levels only.</summary>
    P4d = 1 << Hardware.Level.P4d,

    /// <summary>Up to 2 MiB.</summary>
    UpTo2MiB = Pte,

    /// <summary>Up to 1 GiB.</summary>
    UpTo1GiB = Pte | Pmd,

    /// <summary>Up to 512 GiB.</summary>
    UpTo512GiB = Pte | Pmd | Pud,

    /// <summary>Every level below the root.</summary>
    All = Pte | Pmd | Pud | P4d,
}
