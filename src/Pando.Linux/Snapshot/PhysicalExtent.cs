using System.Text.Json.Serialization;
using Pando.Files;

namespace Pando.Linux.Snapshot;

/// <summary>One extent of a file, in bytes, as FIEMAP gives it. <c>Physical</c> counts from the start of the block
/// device; <c>Flags</c> are FIEMAP_EXTENT_* of linux/fiemap.h.</summary>
public readonly record struct PhysicalExtent(ulong Logical, ulong Physical, ulong Length, uint Flags)
{
    /// <summary>FIEMAP_EXTENT_UNWRITTEN: allocated, but reads as zeros until written.</summary>
    public const uint Unwritten = 0x800;

    /// <summary>FIEMAP_EXTENT_SHARED: other files have it too.</summary>
    public const uint Shared = 0x2000;

    /// <summary>FIEMAP_EXTENT_UNKNOWN, DELALLOC, ENCODED, NOT_ALIGNED, DATA_INLINE: no place on the device that a
    /// page table could point at.</summary>
    public const uint NoPlace = 0x2 | 0x4 | 0x8 | 0x100 | 0x200;

    /// <summary>The same in the library's words; one that ends past 2^63 is cut there.</summary>
    [JsonIgnore]
    internal PlacedExtent Placed => new((long)Math.Min(Logical, long.MaxValue), (long)Math.Min(Physical, long.MaxValue),
        (long)Math.Min(Length, long.MaxValue - Math.Min(Math.Max(Logical, Physical), long.MaxValue)), State);

    private ExtentState State =>
        (Flags & NoPlace) != 0 ? ExtentState.NoPlace
        : (Flags & Unwritten) != 0 ? ExtentState.Unwritten
        : (Flags & Shared) != 0 ? ExtentState.Shared
        : ExtentState.Written;
}
