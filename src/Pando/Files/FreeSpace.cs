using Pando.Hardware;
using Pando.Intervals;

namespace Pando.Files;

/// <summary>What is said of a free piece of a device: that it is free; and, the same for all, at which multiples pieces are looked for.</summary>
/// <param name="PageShift">log2 of the page size.</param>
/// <param name="LargeShift">log2 of what an entry of level 2 covers.</param>
/// <param name="LargestShift">log2 of what an entry of level 3 covers.</param>
internal readonly record struct FreeSpace(byte PageShift, byte LargeShift, byte LargestShift) : IIntervalValue<FreeSpace>
{
    public static FreeSpace Of(TableGeometry geometry) =>
        new((byte)geometry.PageShift, (byte)geometry.EntryShift(Level.Pmd), (byte)geometry.EntryShift(Level.Pud));

    /// <inheritdoc/>
    public FreeSpace After(long distance) => this;
}
