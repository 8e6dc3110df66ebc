using System.Text.Json.Serialization;

namespace Pando.Linux.Snapshot;

/// <summary>One line of /proc/PID/maps: bytes [Start, End) of virtual addresses show object number
/// <c>ObjectNumber</c> of the snapshot from <c>Offset</c> (bytes) on.</summary>
[JsonConverter(typeof(MappingFactsConverter))]
public readonly record struct MappingFacts(ulong Start, ulong End, long Offset, MappingRights Rights, int ObjectNumber)
{
    /// <summary>Length in bytes.</summary>
    [JsonIgnore]
    public ulong Length => End - Start;

    /// <summary>True for MAP_SHARED.</summary>
    [JsonIgnore]
    public bool IsShared => (Rights & MappingRights.Shared) != 0;

    /// <summary>The rights as maps writes them.</summary>
    public string RightsText() => string.Create(4, Rights, static (text, rights) =>
    {
        text[0] = (rights & MappingRights.Read) != 0 ? 'r' : '-';
        text[1] = (rights & MappingRights.Write) != 0 ? 'w' : '-';
        text[2] = (rights & MappingRights.Execute) != 0 ? 'x' : '-';
        text[3] = (rights & MappingRights.Shared) != 0 ? 's' : 'p';
    });
}
