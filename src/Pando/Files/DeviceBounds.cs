using Pando.Intervals;

namespace Pando.Files;

/// <summary>What is kept of extents of a file: between which offsets of the device they lie, wherever they stand in the file.</summary>
internal readonly record struct DeviceBounds(long Start, long End) : IIntervalSummary<DeviceBounds, DevicePlace>
{
    public static DeviceBounds Of(in Interval<DevicePlace> interval) => new(interval.Value.Offset, interval.Value.Offset + interval.Length);

    public static DeviceBounds Join(in DeviceBounds first, in DeviceBounds second) =>
        new(Math.Min(first.Start, second.Start), Math.Max(first.End, second.End));

    /// <summary>Extents that lie on a range of the device.</summary>
    public readonly record struct Overlap(long Start, long End) : ISummaryTest<DeviceBounds>
    {
        public bool Holds(in DeviceBounds bounds) => bounds.Start < End && Start < bounds.End;
    }
}
