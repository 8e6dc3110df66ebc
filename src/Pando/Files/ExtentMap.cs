using Pando.Concurrency;
using Pando.Costs;
using Pando.Intervals;

namespace Pando.Files;

/// <summary>
/// Where a file lies: its extents, none over another, joined where they continue each other. Changed under the file's
/// invalidate lock, each operation as a whole; read without a lock by who is inside an epoch, so that faults may. Costs the
/// logarithm of the extents, for each that is returned or changed.
/// </summary>
internal sealed class ExtentMap : IItemWatcher<Interval<DevicePlace>>
{
    private const int PromisedAtOnce = 4;

    private readonly Epochs _epochs;
    private readonly ExtentOwners _owners;
    private readonly int _file;
    private readonly IntervalTree<DevicePlace, NoSummary<DevicePlace>> _tree;

    // What the change that is being made does to the device's index of extents, where it is made at once; how many it adds; and how many
    // there is room for.
    private readonly NativeArray<ExtentOwners.Change> _changes = new();
    private int _changeCount;
    private int _added;
    private int _promised;

    /// <summary>Makes a map without extents.</summary>
    /// <param name="epochs">Whose epochs readers are in.</param>
    /// <param name="owners">What is told where on the device the extents lie.</param>
    /// <param name="file">The file's number on the device.</param>
    public ExtentMap(Epochs epochs, ExtentOwners owners, int file)
    {
        _epochs = epochs;
        _owners = owners;
        _file = file;
        _tree = new(epochs, this);
    }

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
    /// The extent of a number (<see cref="ExtentOwner.Number"/>), where it stands now; one of length 0 where the file does not lead there
    /// yet, or no more. Under the invalidate lock, under which the number was found among <see cref="ExtentOwners"/>.
    /// </summary>
    public FileExtent Numbered(int number)
    {
        Cost.Count(CostKind.Extent);
        return _tree.TryGetNumbered(number, out var interval) ? ExtentOf(interval) : default;
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

    void IItemWatcher<Interval<DevicePlace>>.MakeRoom()
    {
        // A change of the tree adds one at most.
        int more = _added < _promised ? 0 : PromisedAtOnce;
        if (more > 0 || _changeCount == 0)
        {
            _owners.MakeRoom(more);
            _promised += more;
        }

        _changes.Reserve(2);
    }

    void IItemWatcher<Interval<DevicePlace>>.Added(int number, in Interval<DevicePlace> item) => Note(OwnerOf(number, item), isAdded: true);

    void IItemWatcher<Interval<DevicePlace>>.Changed(int number, in Interval<DevicePlace> before, in Interval<DevicePlace> now)
    {
        if (OwnerOf(number, before) is var old && OwnerOf(number, now) is var owner && old != owner)
        {
            Note(old, isAdded: false);
            Note(owner, isAdded: true);
        }
    }

    void IItemWatcher<Interval<DevicePlace>>.Removed(int number, in Interval<DevicePlace> item) => Note(OwnerOf(number, item), isAdded: false);

    void IItemWatcher<Interval<DevicePlace>>.Dropped(int number, in Interval<DevicePlace> item) => _owners.Remove(OwnerOf(number, item));

    void IItemWatcher<Interval<DevicePlace>>.Committed()
    {
        if (_changeCount > 0)
        {
            _owners.Apply(_changes, _changeCount);
            _changeCount = 0;
            _added = 0;
        }
    }

    /// <summary>Ends the map, without extents, with its file.</summary>
    public void End()
    {
        _owners.GiveRoomBack(_promised);
        _promised = 0;
    }

    private void Note(in ExtentOwner owner, bool isAdded)
    {
        if (_changeCount == _changes.Count)
        {
            _changes.Add();
        }

        _changes[_changeCount++] = new(owner, isAdded);
        _added += isAdded ? 1 : 0;
    }

    private ExtentOwner OwnerOf(int number, in Interval<DevicePlace> item) =>
        new(item.Value.Offset, item.Value.Offset + item.Length, _file, number);

    /// <summary>Extents that are not in the map: cut out of it, or to be put in. The default is none.</summary>
    public readonly struct Part
    {
        internal Part(IntervalTree<DevicePlace, NoSummary<DevicePlace>>.Part intervals) => Intervals = intervals;

        /// <summary>Whether there is no extent.</summary>
        public bool IsNone => Intervals.IsNone;

        internal IntervalTree<DevicePlace, NoSummary<DevicePlace>>.Part Intervals { get; }
    }

    public static FileExtent ExtentOf(Interval<DevicePlace> interval) =>
        new(interval.Start, interval.Value.Offset, interval.Length, interval.Value.IsShared);
}
