namespace Pando.Files;

/// <summary>Where a file lies: what <see cref="WindowJudge"/> asks.</summary>
public interface IExtents
{
    /// <summary>The extent that holds a file offset; where there is none, the first one behind it; of length 0 where there is none behind it.</summary>
    PlacedExtent FirstFrom(long offset);
}
