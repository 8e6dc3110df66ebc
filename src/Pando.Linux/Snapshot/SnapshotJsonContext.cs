using System.Text.Json.Serialization;

namespace Pando.Linux.Snapshot;

/// <summary>Serialisation code generated at build time: a native build has no reflection to fall back on.</summary>
[JsonSourceGenerationOptions(UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(MachineSnapshot))]
internal sealed partial class SnapshotJsonContext : JsonSerializerContext;
