namespace Pando.Linux.Snapshot;

/// <summary>Questions to a process's mappings, which are in order of address and do not overlap: each costs the logarithm of
/// their number.</summary>
public static class MappingList
{
    /// <summary>The index of the first mapping that ends above an address; their number if none does.</summary>
    public static int FirstEndingAbove(this IReadOnlyList<MappingFacts> mappings, ulong address)
    {
        ArgumentNullException.ThrowIfNull(mappings);
        var (low, high) = (0, mappings.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = mappings[middle].End <= address ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <summary>How many mappings have an address in [start, end).</summary>
    public static int CountIn(this IReadOnlyList<MappingFacts> mappings, ulong start, ulong end)
    {
        ArgumentNullException.ThrowIfNull(mappings);
        var first = mappings.FirstEndingAbove(start);
        var (low, high) = (first, mappings.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = mappings[middle].Start < end ? (middle + 1, high) : (low, middle);
        }

        return low - first;
    }
}
