using Pando.Linux.Snapshot;

namespace Pando.Linux.Report;

/// <summary>Everything about one address of one process: its mapping, its object, its entry, its tables.</summary>
public sealed record RangeReport(
    int Pid,
    string Name,
    ulong Address,
    ulong Start,
    ulong End,
    string Rights,
    string VmFlags,
    ulong KernelPageSize,
    string ObjectName,
    ObjectKind ObjectKind,
    long ObjectOffset,
    int Mappers,
    string Entry,
    ulong? Frame,
    long? MapCount,
    IReadOnlyList<string> FrameFlags,
    IReadOnlyList<RangeLevel> Levels,
    HugetlbSharing? Sharing,
    string? Dax,
    IReadOnlyList<string> Notes);
