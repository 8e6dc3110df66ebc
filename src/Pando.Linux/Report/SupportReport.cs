namespace Pando.Linux.Report;

/// <summary>Whether the kernel supports a kind of sharing or of large pages: "yes", "no" or "unknown", and how that is known.</summary>
public sealed record SupportReport(string Name, string State, string Detail);
