namespace Pando.Linux.Report;

/// <summary>One reason why a process is outside, with the numbers of this case, and how many 1 GiB spans it keeps out.</summary>
public sealed record Refusal(ShareRefusal Reason, int Spans, string Detail);
