namespace Pando.Files;

/// <summary>What the place of a leaf, apart from the file, allows.</summary>
/// <param name="HighestLevel">The highest level at which it may stand.</param>
/// <param name="Reason">Where that is lower than it might be: why.</param>
/// <param name="WindowStart">The first file offset that may be shown.</param>
/// <param name="WindowEnd">The first file offset past those that may be shown.</param>
public readonly record struct LeafLimits(int HighestLevel, SmallPageReason Reason, long WindowStart, long WindowEnd);
