namespace Pando.Linux.Snapshot;

/// <summary>Bytes of page tables on one NUMA node, and of secondary ones (KVM, IOMMU; null where the kernel does not tell).</summary>
public sealed record NodeTables(int Node, long TableBytes, long? SecondaryTableBytes);
