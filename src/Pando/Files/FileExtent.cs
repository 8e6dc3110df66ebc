namespace Pando.Files;

/// <summary>A piece of a DAX file that lies on the device in one piece. All three are multiples of 4 KiB.</summary>
/// <param name="FileOffset">Where it begins in the file.</param>
/// <param name="DeviceOffset">Where it begins on the device.</param>
/// <param name="Length">Bytes.</param>
/// <param name="IsShared">Whether other files may lie there too (reflink), so that a store must copy first.</param>
public readonly record struct FileExtent(long FileOffset, long DeviceOffset, long Length, bool IsShared = false)
{
    /// <summary>The first file offset past it.</summary>
    public long FileEnd => FileOffset + Length;

    /// <summary>The first device offset past it.</summary>
    public long DeviceEnd => DeviceOffset + Length;
}
