using System.Text.Json.Serialization;

namespace Pando.Linux.Snapshot;

/// <summary>
/// Virtual addresses [Start, End) of mapping number <c>Mapping</c> of a process in which every 2 MiB window has at
/// least one entry. <c>LeafLevel</c>: 0 = 4 KiB leaves, 1 = 2 MiB, 2 = 1 GiB.
/// </summary>
[JsonConverter(typeof(PopulatedRunConverter))]
public readonly record struct PopulatedRun(int Mapping, ulong Start, ulong End, int LeafLevel);
