namespace Pando.Concurrency;

/// <summary>
/// The order in which locks are taken, outermost first. A thread that holds a lock may take only locks of a
/// higher rank. <see cref="LockOrder"/> asserts it in the checked build.
/// </summary>
/// <remarks>
/// <para>What each protects:</para>
/// <list type="table">
/// <item><term>Space</term><description>the areas of one address space. Faults read; map, unmap, fork, exit write.
/// Taken for two spaces at once only by fork, parent before child, where nobody else can know the child.</description></item>
/// <item><term>WriteBack</term><description>the write-back of one file: one at a time.</description></item>
/// <item><term>Invalidate</term><description>one file's layout (its size and where its bytes lie). Taken by
/// changes of the layout; an ordinary fault does not take it but checks its sequence (<see cref="InvalidateLock"/>).</description></item>
/// <item><term>MappingIndex</term><description>the list of those areas of one file that may have private tables
/// showing it.</description></item>
/// <item><term>Reclaim</term><description>the removal of one file's unattached tables.</description></item>
/// <item><term>Table1 to Table5</term><description>the entries of one page table, by level; parent (the higher
/// level) before child.</description></item>
/// <item><term>FileStorage</term><description>a file's own record of its pages and a device's free space.</description></item>
/// <item><term>FrameCache, FrameBlocks</term><description>the frame allocator.</description></item>
/// <item><term>Limbo</term><description>frames that wait for an epoch to end.</description></item>
/// <item><term>Processor</term><description>one processor's translation caches.</description></item>
/// </list>
/// </remarks>
internal enum LockRank
{
    None = 0,
    Space = 1,
    WriteBack = 2,
    Invalidate = 3,
    MappingIndex = 4,
    Reclaim = 5,
    Table5 = 6,
    Table4 = 7,
    Table3 = 8,
    Table2 = 9,
    Table1 = 10,
    FileStorage = 11,
    Limbo = 12,
    FrameCache = 13,
    FrameBlocks = 14,
    Processor = 15,
}
