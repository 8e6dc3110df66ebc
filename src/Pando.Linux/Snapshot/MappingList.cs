namespace Pando.Linux.Snapshot;

/// <summary>Questions to a process's mappings, which are in order of address and do not overlap: each costs the logarithm of
/// their number.</summary>
public static class MappingList
{
    /// <summary>No user address is higher, on any processor: 57 bits.</summary>
    internal const ulong EndOfUserSpace = 1UL << 57;

    /// <summary>The end of what is mapped of an object: above, sums of offsets and lengths would not fit.</summary>
    internal const long MostOffset = 1L << 62;

    private const ulong StartOfKernelSpace = 1UL << 63; // the vsyscall page
    private const ulong PageMask = 4095;

    /// <summary>True for a mapping as the kernel has them, next above an address: whole pages, in user space or (vsyscall) in the kernel's.</summary>
    internal static bool IsPossibleAbove(this in MappingFacts mapping, ulong end) =>
        mapping.Start >= end && mapping.Start < mapping.End && ((mapping.Start | mapping.End | (ulong)mapping.Offset) & PageMask) == 0
        && (mapping.End <= EndOfUserSpace || (mapping.Start >= StartOfKernelSpace && mapping.Length < EndOfUserSpace))
        && mapping.Offset >= 0 && mapping.Offset <= MostOffset - (long)mapping.Length
        && (mapping.Rights & ~(MappingRights.Read | MappingRights.Write | MappingRights.Execute | MappingRights.Shared)) == 0;

    /// <summary>
    /// An offset as maps writes it, such that what is mapped ends at 2^62 at most. Files lie far below; drivers take
    /// numbers of their own for offsets, up to 2^64, and of these the highest bits are left out.
    /// </summary>
    internal static long Offset(ulong offset, ulong length) =>
        length <= MostOffset && offset <= MostOffset - length ? (long)offset : (long)(offset & ((MostOffset >> 1) - 1));

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
