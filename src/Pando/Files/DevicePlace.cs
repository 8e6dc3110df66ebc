using Pando.Intervals;

namespace Pando.Files;

/// <summary>Where on the device a part of a file begins to lie, and whether other files may lie there too. See <see cref="FileExtent"/>.</summary>
internal readonly record struct DevicePlace(long Offset, bool IsShared) : IIntervalValue<DevicePlace>
{
    public DevicePlace After(long distance) => this with { Offset = Offset + distance };
}
