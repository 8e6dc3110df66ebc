namespace Pando.Files;

/// <summary>A file's extents as <see cref="WindowJudge"/> asks for them; the one that a fault has found is not looked up again.</summary>
internal readonly ref struct MappedExtents(ExtentMap map, FileExtent found) : IExtents
{
    /// <inheritdoc/>
    public PlacedExtent FirstFrom(long offset)
    {
        var extent = found.FileOffset <= offset && offset < found.FileEnd ? found : map.First(offset, long.MaxValue);
        return new(extent.FileOffset, extent.DeviceOffset, extent.Length, extent.IsShared ? ExtentState.Shared : ExtentState.Written);
    }
}
