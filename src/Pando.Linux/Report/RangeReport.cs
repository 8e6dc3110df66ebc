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
    IReadOnlyList<string> Notes)
{
    /// <summary>The process's other mappings of the object, those that show the page first, then in order of address; the first
    /// <see cref="MostMappings"/>. Empty for anonymous memory.</summary>
    public IReadOnlyList<RangeMapping> OtherMappings { get; init; } = [];

    /// <summary>How many other mappings of the object the process has.</summary>
    public int OtherMappingCount { get; init; }

    /// <summary>The most of these that are named.</summary>
    public const int MostMappings = 16;
}
