using System.Text.Json;
using System.Text.Json.Serialization;

namespace Pando.Cli.Run;

/// <summary>The report as JSON; made by the compiler, so that it works without a run-time code generator.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RunReport))]
internal sealed partial class RunJson : JsonSerializerContext
{
    public static string Write(RunReport report) => JsonSerializer.Serialize(report, Default.RunReport);
}
