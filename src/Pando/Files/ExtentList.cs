namespace Pando.Files;

/// <summary>Extents in a list, in the order of the file, which do not overlap. Found by halving: a large file has many. The default is none.</summary>
public readonly struct ExtentList(IReadOnlyList<PlacedExtent> extents) : IExtents
{
    private readonly IReadOnlyList<PlacedExtent>? _extents = extents;

    /// <inheritdoc/>
    public PlacedExtent FirstFrom(long offset)
    {
        var extents = _extents ?? [];
        int low = 0;
        for (int high = extents.Count; low < high;)
        {
            int middle = (low + high) / 2;
            if (extents[middle].FileEnd <= offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low < extents.Count ? extents[low] : default;
    }
}
