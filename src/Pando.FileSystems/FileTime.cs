namespace Pando.FileSystems;

/// <summary>A time as file systems keep it: every value that they can hold.</summary>
/// <param name="Seconds">Since 1970, UTC.</param>
/// <param name="Nanoseconds">As the inode has them: below 10^9 unless it is damaged.</param>
public readonly record struct FileTime(long Seconds, uint Nanoseconds);
