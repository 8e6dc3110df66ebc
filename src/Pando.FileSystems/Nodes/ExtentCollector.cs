using Pando.Files;

namespace Pando.FileSystems.Nodes;

/// <summary>
/// Collects a file's extents as they are found, in the order of the file: refuses those that come back, and joins those that go
/// on where the one before ended.
/// </summary>
internal sealed class ExtentCollector(string node)
{
    private readonly List<PlacedExtent> _extents = [];

    /// <summary>Bytes so far.</summary>
    public long Total { get; private set; }

    public IReadOnlyList<PlacedExtent> Extents => _extents;

    public void Add(PlacedExtent extent)
    {
        if (extent.Length <= 0 || extent.FileOffset < 0 || extent.FileOffset > long.MaxValue - extent.Length)
        {
            throw FileSystemException.Damaged($"{node}: an extent of {extent.Length} bytes at {extent.FileOffset}.");
        }

        Total = Total > long.MaxValue - extent.Length ? long.MaxValue : Total + extent.Length;
        if (_extents.Count > 0)
        {
            var last = _extents[^1];
            if (extent.FileOffset < last.FileEnd)
            {
                throw FileSystemException.Damaged($"{node}: the extent at {extent.FileOffset} comes after that at {last.FileOffset}, which reaches to {last.FileEnd}.");
            }

            if (extent.TryJoin(last, out var joined))
            {
                _extents[^1] = joined;
                return;
            }
        }

        _extents.Add(extent);
    }

    /// <summary>Refuses two offsets of the file that lie at the same place, unless that is said to be shared: a store to the one would change the other.</summary>
    public void ThrowIfCrossed()
    {
        var places = _extents.Where(e => e.State != ExtentState.Shared).OrderBy(e => e.DeviceOffset).ToList();
        for (int i = 1; i < places.Count; i++)
        {
            if (places[i].DeviceOffset < places[i - 1].DeviceEnd)
            {
                throw FileSystemException.Damaged($"{node}: its offsets {places[i - 1].FileOffset} and {places[i].FileOffset} lie at the same place, {places[i].DeviceOffset}.");
            }
        }
    }
}
