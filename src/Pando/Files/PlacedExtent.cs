namespace Pando.Files;

/// <summary>A piece of a file that lies on its device in one piece and in one state, as a file system has it.</summary>
/// <param name="FileOffset">Where it begins in the file, in bytes.</param>
/// <param name="DeviceOffset">Where it begins on the device, in bytes from the device's start.</param>
/// <param name="Length">Bytes; 0 is no extent.</param>
/// <param name="State">What may be done with it.</param>
public readonly record struct PlacedExtent(long FileOffset, long DeviceOffset, long Length, ExtentState State)
{
    /// <summary>The first file offset past it.</summary>
    public long FileEnd => FileOffset + Length;

    /// <summary>The first device offset past it.</summary>
    public long DeviceEnd => DeviceOffset + Length;

    /// <summary>The two as one, where this one goes on where the other ends, in file, device and state.</summary>
    public bool TryJoin(PlacedExtent before, out PlacedExtent joined)
    {
        joined = before with { Length = before.Length + Length };
        return FileOffset == before.FileEnd && DeviceOffset == before.DeviceEnd && State == before.State;
    }
}
