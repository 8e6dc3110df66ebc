using System.Text.Json;
using System.Text.Json.Serialization;

namespace Pando.Cli.FileMaps;

/// <summary>The report as JSON; made by the compiler, so that it works without a run-time code generator.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(FilesReport))]
internal sealed partial class FilesJson : JsonSerializerContext
{
    public static string Write(FilesReport report) => JsonSerializer.Serialize(report, Default.FilesReport);
}
