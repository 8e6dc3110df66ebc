using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Machines;

/// <summary>What a machine is made of.</summary>
public sealed record MachineOptions
{
    /// <summary>Bytes of RAM, a multiple of 2 MiB. Reserved, and committed as it is used.</summary>
    public long Ram { get; init; } = 1L << 30;

    /// <summary>The format of the page tables.</summary>
    public EntryFormat Format { get; init; } = X64Format.FourLevels;

    /// <summary>
    /// Whether the processors leave it to the fault handler to mark leaves as accessed and dirty (RISC-V with Svade; Arm64 without
    /// FEAT_HAFDBS): a leaf that lacks the mark faults. Those of x86-64 set the marks themselves.
    /// </summary>
    public bool MarksByFault { get; init; }

    /// <summary>At which levels page tables are shared.</summary>
    public SharingLevels Sharing { get; init; } = SharingLevels.All;

    /// <summary>Whether larger leaves than those of single pages are used where they fit.</summary>
    public bool LargePages { get; init; } = true;

    /// <summary>
    /// Bytes of the largest leaves that are used, where <see cref="LargePages"/>: one of the sizes that the format has. Null for those of
    /// level 2 (x86-64: 2 MiB, as Linux's DAX file systems use). With larger ones (1 GiB) DAX files are shown by such where extent, offset
    /// and address allow; pages of memory files are of level 2 at most.
    /// </summary>
    public long? LargestPage { get; init; }

    internal int LargestLeafLevel =>
        !LargePages ? Level.Pte
        : LargestPage is { } bytes ? Format.Geometry.LeafLevels.First(level => Format.Geometry.EntrySpan(level) == bytes)
        : Level.Pmd;

    /// <summary>
    /// Whether memory that may only be executed (PROT_EXEC alone) is kept from loads by a protection key, as Linux does on a
    /// processor that has them (pkeys(7)); elsewhere the right to execute implies that to load. Processors begin with
    /// <see cref="ProtectionKeyRights.Initial"/> then. Needs a format with protection keys.
    /// </summary>
    public bool ExecuteOnlyByKey { get; init; }
}
