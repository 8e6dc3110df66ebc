using System.Text.Json.Serialization;

namespace Pando.Linux.Report;

/// <summary>Serialisation code generated at build time: a native build has no reflection to fall back on.</summary>
[JsonSourceGenerationOptions(UseStringEnumConverter = true, WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ScanReport))]
[JsonSerializable(typeof(RangeReport))]
internal sealed partial class ReportJsonContext : JsonSerializerContext;
