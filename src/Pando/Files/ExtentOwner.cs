namespace Pando.Files;

/// <summary>An extent where it lies on the device, and whose it is. See <see cref="ExtentOwners"/>.</summary>
/// <param name="Start">Its first device offset.</param>
/// <param name="End">The first device offset past it.</param>
/// <param name="File">The file, by its number on the device.</param>
/// <param name="Number">The extent, by its number in the file's <see cref="ExtentMap"/>.</param>
internal readonly record struct ExtentOwner(long Start, long End, int File, int Number)
{
    /// <summary>Comes before all.</summary>
    public static ExtentOwner None => new(-1, -1, -1, -1);
}
