using Pando.Linux.Snapshot;

namespace Pando.Linux.Report;

/// <summary>
/// One cgroup's page tables, in bytes. A table that several cgroups share is charged to the one that touched it first, so
/// that what is charged may be less than the sum of VmPTE, or more.
/// </summary>
/// <param name="Path">Its path.</param>
/// <param name="Processes">Processes in it, those below it left out; the same holds for the four sums that follow.</param>
/// <param name="TableBytes">Sum of VmPTE.</param>
/// <param name="Live">Tables with entries.</param>
/// <param name="Duplicate">Its processes' part of the duplicates.</param>
/// <param name="Empty">Tables without entries.</param>
/// <param name="ChargedBytes">What memory.stat charges to it and all below; null where the kernel does not tell.</param>
public sealed record CgroupReport(string Path, int Processes, long TableBytes, long Live, long Duplicate, long Empty, long? ChargedBytes)
{
    /// <summary>What it is.</summary>
    public CgroupKind Kind { get; init; }

    /// <summary>What it is called: pod and container, systemd unit, virtual machine, job; empty if its path does not tell.</summary>
    public string Label { get; init; } = "";

    /// <summary>The container's whole id; empty if it is none.</summary>
    public string ContainerId { get; init; } = "";

    /// <summary>The pod's uid; empty if it is in none.</summary>
    public string PodUid { get; init; } = "";

    /// <summary>Processes in it and below.</summary>
    public int TreeProcesses { get; init; }

    /// <summary>Sum of VmPTE in it and below.</summary>
    public long TreeTableBytes { get; init; }

    /// <summary>Tables with entries, in it and below.</summary>
    public long TreeLive { get; init; }

    /// <summary>Duplicates, in it and below.</summary>
    public long TreeDuplicate { get; init; }

    /// <summary>Tables without entries, in it and below.</summary>
    public long TreeEmpty { get; init; }

    /// <summary>Why the kernel does not tell what is charged; null if it does.</summary>
    public string? WhyNotCharged { get; init; }

    /// <summary>KVM's tables of guests, charged to it and all below; null where the kernel does not tell.</summary>
    public long? SecondaryTableBytes { get; init; }

    /// <summary>What is charged, by NUMA node; null where the kernel does not tell.</summary>
    public IReadOnlyList<NodeTables>? Nodes { get; init; }
}
