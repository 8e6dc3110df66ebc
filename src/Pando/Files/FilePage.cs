using Pando.Hardware;

namespace Pando.Files;

/// <summary>Where a part of a file lies, as one leaf can show it. True as long as the file's layout does not change.</summary>
/// <param name="Status">Whether there is a page at all; if not, the rest says nothing.</param>
/// <param name="Level">The level of the leaf: 1 for a page, 2 for 2 MiB, 3 for 1 GiB (of x86-64).</param>
/// <param name="Reason">Where the level is 1: why it is not the highest that was allowed.</param>
/// <param name="Offset">The file offset at the leaf's start.</param>
/// <param name="Address">Where that lies.</param>
/// <param name="Run">Bytes from <paramref name="Offset"/> on that lie in one piece and that leaves of this level can show; whole leaves.</param>
/// <param name="Writable">Whether a leaf may be write-enabled at once. False where the first store must be noticed.</param>
internal readonly record struct FilePage(
    PageStatus Status,
    int Level,
    SmallPageReason Reason,
    long Offset,
    PhysicalAddress Address,
    long Run,
    bool Writable)
{
    internal static FilePage Failed(PageStatus status) => new(status, 0, SmallPageReason.None, 0, default, 0, false);
}
