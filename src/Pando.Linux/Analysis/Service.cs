using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>
/// Processes that are one service to whoever runs it, and the shared memory that they map. One service gets one advice: its
/// segments are made at one start, from one pool, under one limit.
/// </summary>
/// <param name="Kind">Which server.</param>
/// <param name="Members">Its processes, the parent first where that is known.</param>
/// <param name="Objects">Its shared memory, huge pages among it.</param>
internal sealed record Service(ServiceKind Kind, IReadOnlyList<ProcessTables> Members, IReadOnlyList<ObjectReport> Objects)
{
    /// <summary>Its first process: the postmaster, pmon, the only one.</summary>
    public ProcessFacts Leader => Members[0].Facts;

    /// <summary>The objects that are not in huge pages yet.</summary>
    public IEnumerable<ObjectReport> Ordinary => Objects.Where(o => o.Kind != ObjectKind.Hugetlb);
}
