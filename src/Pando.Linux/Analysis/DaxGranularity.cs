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
        for (var window = mapping.Start & ~(Window - 1); window < mapping.End; window += Window)
        {
            var reason = JudgeWindow(mapping, dax, window, kernelHasPmd);
            counts[reason] = counts.GetValueOrDefault(reason) + 1;
        }

        return counts;
    }

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

        // The kernel counts the file in whole pages (dax_fault_check_fallback).
        var end = ((ulong)dax.FileSize + PageSize - 1) & ~(PageSize - 1);
        return (ulong)offset + Window > end ? DaxRefusal.EndOfFile : JudgePlace(dax, (ulong)offset);
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

        return (first.Flags & FileExtent.NoPlace) != 0 ? DaxRefusal.ExtentTooShort
            : ((dax.DeviceStart ?? 0) + place + offset) % Window != 0 ? DaxRefusal.PhysicalNotAligned
            : isCut ? DaxRefusal.PartlyWritten
            : DaxRefusal.None;
    }

    /// <summary>The extent that holds the byte, or the complement of the first one behind it, by halving: a large
    /// file has many.</summary>
    private static int IndexOf(IReadOnlyList<FileExtent> extents, ulong offset)
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
