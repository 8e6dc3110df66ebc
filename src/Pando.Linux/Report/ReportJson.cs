using System.Text.Json;

namespace Pando.Linux.Report;

/// <summary>Writes reports as JSON.</summary>
public static class ReportJson
{
    /// <summary>A scan.</summary>
    public static string Write(ScanReport report) => JsonSerializer.Serialize(report, ReportJsonContext.Default.ScanReport);

    /// <summary>One range of one process.</summary>
    public static string Write(RangeReport report) => JsonSerializer.Serialize(report, ReportJsonContext.Default.RangeReport);

    /// <summary>Reads a scan's report; null if the text is "null".</summary>
    public static ScanReport? ReadScan(string json) => JsonSerializer.Deserialize(json, ReportJsonContext.Default.ScanReport);
}
