namespace Pando.Files;

/// <summary>What can be done to a file's extents, as functions from one sorted list to another.</summary>
internal static class ExtentMap
{
    /// <summary>The extent that has a file offset; one of length 0 where there is none.</summary>
    public static FileExtent At(FileExtent[] extents, long offset)
    {
        int low = 0;
        int high = extents.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            ref readonly var extent = ref extents[middle];
            if (offset < extent.FileOffset)
            {
                high = middle - 1;
            }
            else if (offset >= extent.FileEnd)
            {
                low = middle + 1;
            }
            else
            {
                return extent;
            }
        }

        return default;
    }

    /// <summary>Whether a range of the file has no storage at all.</summary>
    public static bool IsHole(FileExtent[] extents, long start, long end) =>
        !extents.Any(extent => extent.FileOffset < end && start < extent.FileEnd);

    /// <summary>The pieces of the extents that lie in a range of the file.</summary>
    public static IEnumerable<FileExtent> Within(FileExtent[] extents, long start, long end) =>
        extents.Where(extent => extent.FileOffset < end && start < extent.FileEnd).Select(extent => Slice(extent, start, end));

    /// <summary>The extents without what lies in a range of the file.</summary>
    public static FileExtent[] Without(FileExtent[] extents, long start, long end) =>
        [.. extents.SelectMany(extent => new[] { Slice(extent, long.MinValue, start), Slice(extent, end, long.MaxValue) })
            .Where(extent => extent.Length > 0)];

    /// <summary>The extents with others in the place of what was there.</summary>
    public static FileExtent[] With(FileExtent[] extents, params IReadOnlyCollection<FileExtent> added)
    {
        foreach (var extent in added)
        {
            extents = Without(extents, extent.FileOffset, extent.FileEnd);
        }

        return Join(extents.Concat(added));
    }

    /// <summary>The extents with everything from a file offset on moved by a distance.</summary>
    public static FileExtent[] Shifted(FileExtent[] extents, long from, long distance) =>
        Join(extents.SelectMany(extent => new[] { Slice(extent, long.MinValue, from), Slice(extent, from, long.MaxValue) })
            .Where(extent => extent.Length > 0)
            .Select(extent => extent.FileOffset >= from ? extent with { FileOffset = extent.FileOffset + distance } : extent));

    /// <summary>The part of an extent in a range of the file; of length 0 or less where there is none.</summary>
    public static FileExtent Slice(FileExtent extent, long start, long end)
    {
        long from = Math.Max(extent.FileOffset, start);
        long to = Math.Min(extent.FileEnd, end);
        return extent with { FileOffset = from, DeviceOffset = extent.DeviceOffset + (from - extent.FileOffset), Length = to - from };
    }

    /// <summary>Sorts extents and joins those that continue each other.</summary>
    private static FileExtent[] Join(IEnumerable<FileExtent> extents)
    {
        var result = new List<FileExtent>();
        foreach (var extent in extents.OrderBy(extent => extent.FileOffset))
        {
            if (result.Count > 0 && result[^1].FileEnd == extent.FileOffset && result[^1].DeviceEnd == extent.DeviceOffset && result[^1].IsShared == extent.IsShared)
            {
                result[^1] = result[^1] with { Length = result[^1].Length + extent.Length };
            }
            else
            {
                result.Add(extent);
            }
        }

        return [.. result];
    }
}
