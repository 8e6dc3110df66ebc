using Pando.Files;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>
/// Judges the 2 MiB windows of a DAX mapping: could a fault put a 2 MiB leaf there, and if not, why. As the file lies
/// now: what the kernel did was decided by how it lay at the first fault, and by who came first.
/// </summary>
public static class DaxGranularity
{
    private const ulong Window = 2UL << 20;
    private const ulong PageSize = 4096;

    /// <summary>Counts the windows of one mapping by what stands in the way.</summary>
    /// <param name="mapping">The mapping.</param>
    /// <param name="dax">Where the file lies.</param>
    /// <param name="kernelHasPmd">False if the kernel has no 2 MiB leaves for DAX.</param>
    public static IReadOnlyDictionary<SmallPageReason, long> Judge(MappingFacts mapping, DaxFacts dax, bool kernelHasPmd = true)
    {
        ArgumentNullException.ThrowIfNull(dax);
        var counts = new SortedDictionary<SmallPageReason, long>();
        var end = ((mapping.End - 1) / Window) + 1;
        for (var number = mapping.Start / Window; number < end;)
        {
            var (reason, windows) = JudgeFrom(mapping, dax, number * Window, (long)(end - number), kernelHasPmd);
            counts[reason] = counts.GetValueOrDefault(reason) + windows;
            number += (ulong)windows;
        }

        return counts;
    }

    /// <summary>Judges the window that begins at <paramref name="window"/>, and says of how many of the next <paramref name="most"/>
    /// windows, itself among them, the same is true: files of terabytes have millions of windows, and few extents.</summary>
    public static (SmallPageReason Reason, long Windows) JudgeFrom(MappingFacts mapping, DaxFacts dax, ulong window, long most, bool kernelHasPmd = true)
    {
        var verdict = JudgeOne(mapping, dax, window, kernelHasPmd);
        var same = verdict.Reason switch
        {
            SmallPageReason.KernelWithoutPmd or SmallPageReason.NotCongruent or SmallPageReason.PrivateWrite => most,
            SmallPageReason.MappingEdge => 1,
            SmallPageReason.EndOfFile => (long)((mapping.End - window) / Window),
            _ => Math.Min(verdict.Windows, (long)((mapping.End - window) / Window)),
        };
        return (verdict.Reason, Math.Clamp(same, 1, Math.Max(1, most)));
    }

    /// <summary>The kernel counts the file in whole pages (dax_fault_check_fallback).</summary>
    private static ulong RoundedSize(DaxFacts dax) => ((ulong)dax.FileSize + PageSize - 1) & ~(PageSize - 1);

    /// <summary>Judges the window that begins at <paramref name="window"/>, a multiple of 2 MiB.</summary>
    public static SmallPageReason JudgeWindow(MappingFacts mapping, DaxFacts dax, ulong window, bool kernelHasPmd = true) =>
        JudgeOne(mapping, dax, window, kernelHasPmd).Reason;

    /// <summary>What the mapping allows comes first, in the order of the kernel's checks; then where the file lies.</summary>
    private static WindowVerdict JudgeOne(MappingFacts mapping, DaxFacts dax, ulong window, bool kernelHasPmd)
    {
        ArgumentNullException.ThrowIfNull(dax);
        var offset = mapping.Offset + unchecked((long)(window - mapping.Start));
        var reason = !kernelHasPmd ? SmallPageReason.KernelWithoutPmd
            : (offset & (long)(Window - 1)) != 0 ? SmallPageReason.NotCongruent
            : !mapping.IsShared && (mapping.Rights & MappingRights.Write) != 0 ? SmallPageReason.PrivateWrite
            : window < mapping.Start || window + Window > mapping.End ? SmallPageReason.MappingEdge
            : SmallPageReason.None;
        return reason == SmallPageReason.None ? JudgePlace(dax, (ulong)offset) : new WindowVerdict(reason, default, 1);
    }

    /// <summary>Judges where a window lies. A hole that fills it does no harm: read, it gets a 2 MiB leaf of the zero page; written, an extent.</summary>
    private static WindowVerdict JudgePlace(DaxFacts dax, ulong offset)
    {
        var verdict = WindowJudge.Judge(new FoundExtents(dax.Extents), (long)offset, (long)Window, (long)RoundedSize(dax), dax.DeviceStart ?? 0);
        return verdict is { Reason: SmallPageReason.Hole, State: ExtentState.Hole } ? verdict with { Reason = SmallPageReason.None } : verdict;
    }

    /// <summary>The extents as FIEMAP gives them: cut where the place jumps and where written and unwritten parts meet. At both the kernel stops.</summary>
    private readonly struct FoundExtents(IReadOnlyList<PhysicalExtent> extents) : IExtents
    {
        public PlacedExtent FirstFrom(long offset)
        {
            // By halving: a large file has many.
            int low = 0;
            for (int high = extents.Count; low < high;)
            {
                int middle = (low + high) / 2;
                if (extents[middle].Logical + extents[middle].Length <= (ulong)offset)
                {
                    low = middle + 1;
                }
                else
                {
                    high = middle;
                }
            }

            return low < extents.Count ? extents[low].Placed : default;
        }
    }
}
