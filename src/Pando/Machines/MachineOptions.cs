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

    /// <summary>Whether 2 MiB leaves are used where they fit.</summary>
    public bool LargePages { get; init; } = true;

    /// <summary>
    /// Whether memory that may only be executed (PROT_EXEC alone) is kept from loads by a protection key, as Linux does on a
    /// processor that has them (pkeys(7)); elsewhere the right to execute implies that to load. Processors begin with
    /// <see cref="ProtectionKeyRights.Initial"/> then. Needs a format with protection keys.
    /// </summary>
    public bool ExecuteOnlyByKey { get; init; }
}
