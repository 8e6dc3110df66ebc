using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>Judges each 2 MiB window of a DAX mapping: can it have a 2 MiB leaf, and if not, why.</summary>
public static class DaxGranularity
{
    private const ulong Window = 2UL << 20;

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
            var reason = kernelHasPmd ? JudgeWindow(mapping, dax, window) : DaxRefusal.KernelWithoutPmd;
            counts[reason] = counts.GetValueOrDefault(reason) + 1;
        }

        return counts;
    }

    /// <summary>Judges the window that begins at <paramref name="window"/>, a multiple of 2 MiB.</summary>
    public static DaxRefusal JudgeWindow(MappingFacts mapping, DaxFacts dax, ulong window)
    {
        ArgumentNullException.ThrowIfNull(dax);
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

        return offset + (long)Window > dax.FileSize ? DaxRefusal.EndOfFile : JudgePlace(dax, (ulong)offset);
    }

    private static DaxRefusal JudgePlace(DaxFacts dax, ulong offset)
    {
        // The file system answers a fault with one extent; FIEMAP may cut a contiguous stretch into written and
        // unwritten parts, and the kernel asks for the whole window of one kind.
        var extent = Find(dax.Extents, offset);
        if (extent is not { } found)
        {
            return DaxRefusal.Hole;
        }

        if ((found.Flags & FileExtent.NoPlace) != 0 || found.Logical + found.Length < offset + Window)
        {
            return DaxRefusal.ExtentTooShort;
        }

        var place = (dax.DeviceStart ?? 0) + found.Physical + (offset - found.Logical);
        return place % Window == 0 ? DaxRefusal.None : DaxRefusal.PhysicalNotAligned;
    }

    /// <summary>The extent that holds the byte, by halving: a large file has many.</summary>
    private static FileExtent? Find(IReadOnlyList<FileExtent> extents, ulong offset)
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
                return extent;
            }
        }

        return null;
    }
}
