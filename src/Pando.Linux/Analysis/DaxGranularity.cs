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
    public static IReadOnlyDictionary<DaxRefusal, long> Judge(MappingFacts mapping, DaxFacts dax, bool kernelHasPmd = true)
    {
        ArgumentNullException.ThrowIfNull(dax);
        var counts = new SortedDictionary<DaxRefusal, long>();
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
    public static (DaxRefusal Reason, long Windows) JudgeFrom(MappingFacts mapping, DaxFacts dax, ulong window, long most, bool kernelHasPmd = true)
    {
        var reason = JudgeWindow(mapping, dax, window, kernelHasPmd);
        var same = reason switch
        {
            DaxRefusal.KernelWithoutPmd or DaxRefusal.AddressNotCongruent or DaxRefusal.PrivateMapping => most,
            DaxRefusal.WindowNotCovered => 1,
            DaxRefusal.EndOfFile => (long)((mapping.End - window) / Window),
            _ => SameExtent(mapping, dax, window),
        };
        return (reason, Math.Clamp(same, 1, Math.Max(1, most)));
    }

    /// <summary>How many windows from this one on lie wholly in the same extent or hole, in the mapping and in the file.</summary>
    private static long SameExtent(MappingFacts mapping, DaxFacts dax, ulong window)
    {
        var offset = (ulong)(mapping.Offset + unchecked((long)(window - mapping.Start)));
        var index = IndexOf(dax.Extents, offset);
        var reach = index >= 0 ? dax.Extents[index].Logical + dax.Extents[index].Length
            : ~index < dax.Extents.Count ? dax.Extents[~index].Logical
            : ulong.MaxValue;
        reach = Math.Min(reach, Math.Min(RoundedSize(dax), offset + (mapping.End - window)));
        return (long)((reach - Math.Min(reach, offset)) / Window);
    }

    /// <summary>The kernel counts the file in whole pages (dax_fault_check_fallback).</summary>
    private static ulong RoundedSize(DaxFacts dax) => ((ulong)dax.FileSize + PageSize - 1) & ~(PageSize - 1);

    /// <summary>Judges the window that begins at <paramref name="window"/>, a multiple of 2 MiB.</summary>
    public static DaxRefusal JudgeWindow(MappingFacts mapping, DaxFacts dax, ulong window, bool kernelHasPmd = true)
    {
        ArgumentNullException.ThrowIfNull(dax);
        if (!kernelHasPmd)
        {
            return DaxRefusal.KernelWithoutPmd;
        }

        var offset = mapping.Offset + unchecked((long)(window - mapping.Start));
        if ((offset & (long)(Window - 1)) != 0)
        {
            return DaxRefusal.AddressNotCongruent;
        }

        if (!mapping.IsShared && (mapping.Rights & MappingRights.Write) != 0)
        {
            return DaxRefusal.PrivateMapping;
        }

        if (window < mapping.Start || window + Window > mapping.End)
        {
            return DaxRefusal.WindowNotCovered;
        }

        return (ulong)offset + Window > RoundedSize(dax) ? DaxRefusal.EndOfFile : JudgePlace(dax, (ulong)offset);
    }

    private static DaxRefusal JudgePlace(DaxFacts dax, ulong offset)
    {
        var index = IndexOf(dax.Extents, offset);
        var end = offset + Window;
        if (index < 0)
        {
            // A hole that fills the window: read, it gets a 2 MiB leaf of the zero page; written, an extent.
            return ~index < dax.Extents.Count && dax.Extents[~index].Logical < end ? DaxRefusal.Hole : DaxRefusal.None;
        }

        // The file system answers a fault with one extent. FIEMAP cuts where the place jumps and where written and
        // unwritten parts meet; at both the kernel stops.
        var extents = dax.Extents;
        var first = extents[index];
        var reach = first.Logical + first.Length;
        var place = first.Physical - first.Logical;
        var isCut = reach < end;
        while (reach < end && ++index < extents.Count && extents[index].Logical == reach && extents[index].Physical - extents[index].Logical == place)
        {
            reach += extents[index].Length;
        }

        if (reach < end)
        {
            return index >= extents.Count || extents[index].Logical > reach ? DaxRefusal.Hole : DaxRefusal.ExtentTooShort;
        }

        return (first.Flags & PhysicalExtent.NoPlace) != 0 ? DaxRefusal.ExtentTooShort
            : ((dax.DeviceStart ?? 0) + place + offset) % Window != 0 ? DaxRefusal.PhysicalNotAligned
            : isCut ? DaxRefusal.PartlyWritten
            : DaxRefusal.None;
    }

    /// <summary>The extent that holds the byte, or the complement of the first one behind it, by halving: a large
    /// file has many.</summary>
    private static int IndexOf(IReadOnlyList<PhysicalExtent> extents, ulong offset)
    {
        int low = 0, high = extents.Count - 1;
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var extent = extents[middle];
            if (extent.Logical > offset)
            {
                high = middle - 1;
            }
            else if (extent.Logical + extent.Length <= offset)
            {
                low = middle + 1;
            }
            else
            {
                return middle;
            }
        }

        return ~low;
    }
}
