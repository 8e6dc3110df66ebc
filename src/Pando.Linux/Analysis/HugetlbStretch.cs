using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>
/// Adjacent spans of 1 GiB of one mapping in which its process has a PMD table for the object. Spans are counted by the object's offset at
/// their start: number k is the one whose offset is k GiB + <c>Phase</c>, and tables of the same phase and number hold the same entries.
/// </summary>
/// <param name="Pid">The process.</param>
/// <param name="Mapping">The mapping (of several in one span the first).</param>
/// <param name="From">The first offset of the object that is mapped in these spans.</param>
/// <param name="To">The offset past the last.</param>
/// <param name="Phase">Offset at a span's start, modulo 1 GiB.</param>
/// <param name="First">The first span.</param>
/// <param name="End">The first span past the last.</param>
/// <param name="Flags">The VMA's flags as the kernel compares them, as a number.</param>
/// <param name="Refusal">Why none of them is shared, whatever others do; null if they may be.</param>
internal sealed record HugetlbStretch(int Pid, MappingFacts Mapping, long From, long To, long Phase, long First, long End, int Flags, (ShareRefusal Reason, string Detail)? Refusal)
{
    /// <summary>How many spans, and so tables.</summary>
    public long Length => End - First;

    /// <summary>The first offset of the object that one of its tables has.</summary>
    public long FirstOffset => Math.Max(From, (First << 30) + Phase);

    /// <summary>The offset past the last.</summary>
    public long EndOffset => Math.Min(To, (End << 30) + Phase);

    /// <summary>The number of the span that has an offset, at a phase.</summary>
    public static long NumberOf(long offset, long phase) => (offset - phase) >> 30;
}
