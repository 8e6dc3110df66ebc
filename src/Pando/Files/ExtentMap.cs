using Pando.Concurrency;
using Pando.Costs;
using Pando.Intervals;

namespace Pando.Files;

/// <summary>
/// Where a file lies: its extents, none over another, joined where they continue each other. Changed under the file's
/// invalidate lock, each operation as a whole; read without a lock by who is inside an epoch, so that faults may. Costs the
/// logarithm of the extents, for each that is returned or changed.
/// </summary>
internal sealed class ExtentMap(Epochs epochs)
{
    private readonly Epochs _epochs = epochs;
    private readonly IntervalTree<DevicePlace, DeviceBounds> _tree = new(epochs);

    /// <summary>How many extents there are.</summary>
    public int Count => _tree.Count;

    /// <summary>
    /// The extent that has a file offset; one of length 0 where there is none. The caller is inside an epoch or holds the
    /// invalidate lock.
    /// </summary>
    public FileExtent At(long offset) => _tree.TryGet(offset, out var interval) ? ExtentOf(interval) : default;

    /// <summary>
    /// The first extent that has something from a file offset on, from there on; one of length 0 if there is none before
    /// <paramref name="end"/>. May be called at any time.
    /// </summary>
    public FileExtent First(long start, long end)
    {
        Cost.Count(CostKind.Extent);
        using var epoch = _epochs.Enter();
        return _tree.TryGetNext(start, out var interval) && interval.Start < end ? ExtentOf(interval.Slice(start, end)) : default;
    }

    /// <summary>The pieces of the extents that lie in a range of the file. Each is looked up when it is asked for.</summary>
    public IEnumerable<FileExtent> Within(long start, long end)
    {
        for (var extent = First(start, end); extent.Length != 0; extent = First(extent.FileEnd, end))
        {
            yield return extent;
        }
    }

    /// <summary>
    /// The pieces of the extents that lie on a range of the device, in the order of the file. Each is looked up when it is asked for.
    /// </summary>
    /// <remarks>
    /// Each costs the logarithm where the file lies on the device in long stretches of one order. Where its extents are scattered
    /// over the device, all may have to be looked at (an XFS without a reverse map, rmapbt, has to as well).
    /// </remarks>
    public IEnumerable<FileExtent> On(long deviceStart, long deviceEnd)
    {
        for (long from = 0; First(from, deviceStart, deviceEnd) is { Length: > 0 } extent; from = extent.FileEnd)
        {
            yield return Slice(extent, extent.FileOffset + (deviceStart - extent.DeviceOffset), extent.FileOffset + (deviceEnd - extent.DeviceOffset));
        }
    }

    private FileExtent First(long from, long deviceStart, long deviceEnd)
    {
        Cost.Count(CostKind.Extent);
        using var epoch = _epochs.Enter();
        return _tree.TryFind(new DeviceBounds.Overlap(deviceStart, deviceEnd), from, out var interval) ? ExtentOf(interval) : default;
    }

    /// <summary>Whether a range of the file has no storage at all.</summary>
    public bool IsHole(long start, long end) => First(start, end).Length == 0;

    /// <summary>Puts an extent in the place of what was there.</summary>
    public void Set(in FileExtent extent) =>
        _tree.Set(extent.FileOffset, extent.FileEnd, new DevicePlace(extent.DeviceOffset, extent.IsShared));

    /// <summary>Takes away what lies in a range of the file.</summary>
    public void Remove(long start, long end) => _tree.Remove(start, end);

    /// <summary>
    /// Moves everything from a file offset on, however much it is. A range that is moved over downwards has been taken away before.
    /// </summary>
    public void Shift(long from, long distance) => _tree.Shift(from, distance);

    /// <summary>Takes away what lies in a range of the file, however much it is, and returns it, to be given to <see cref="Drop"/>.</summary>
    public Part CutOut(long start, long end) => new(_tree.CutOut(start, end));

    /// <summary>Adds an extent, which is not in the map, to the end of a part that is to be put in.</summary>
    public Part Append(Part part, in FileExtent extent) =>
        new(_tree.Append(part.Intervals, new(extent.FileOffset, extent.FileEnd, new DevicePlace(extent.DeviceOffset, extent.IsShared))));

    /// <summary>Puts a part in the place of all that lies in a range of the file, however much it is.</summary>
    /// <returns>What lay there, to be given to <see cref="Drop"/>.</returns>
    public Part Replace(long start, long end, Part part) => new(_tree.Replace(start, end, part.Intervals));

    /// <summary>The first extent of a part that has something from a file offset on. Needs no lock.</summary>
    public FileExtent First(Part part, long start) => _tree.TryGetNext(part.Intervals, start, out var interval) ? ExtentOf(interval) : default;

    /// <summary>Gives up the memory of some extents of a part that is not in the map.</summary>
    public void Drop(ref Part part)
    {
        var intervals = part.Intervals;
        _tree.Drop(ref intervals);
        part = new(intervals);
    }

    /// <summary>The part of an extent in a range of the file; of length 0 or less where there is none.</summary>
    public static FileExtent Slice(FileExtent extent, long start, long end)
    {
        long from = Math.Max(extent.FileOffset, start);
        long to = Math.Min(extent.FileEnd, end);
        return extent with { FileOffset = from, DeviceOffset = extent.DeviceOffset + (from - extent.FileOffset), Length = to - from };
    }

    /// <summary>Extents that are not in the map: cut out of it, or to be put in. The default is none.</summary>
    public readonly struct Part
    {
        internal Part(IntervalTree<DevicePlace, DeviceBounds>.Part intervals) => Intervals = intervals;

        /// <summary>Whether there is no extent.</summary>
        public bool IsNone => Intervals.IsNone;

        internal IntervalTree<DevicePlace, DeviceBounds>.Part Intervals { get; }
    }

    public static FileExtent ExtentOf(Interval<DevicePlace> interval) =>
        new(interval.Start, interval.Value.Offset, interval.Length, interval.Value.IsShared);
}
