namespace Pando.Concurrency;

/// <summary>
/// The order in which locks are taken, outermost first. A thread that holds a lock may take only locks of a
/// higher rank. <see cref="LockOrder"/> asserts it in the checked build.
/// </summary>
/// <remarks>
/// <para>Every lock of the library has a rank; the comment at each says what it protects and whether who waits for it
/// spins (short, bounded work) or sleeps.</para>
/// </remarks>
internal enum LockRank
{
    None = 0,

    /// <summary>A machine's list of processors, while one is made and added. Sleeps.</summary>
    Processors,

    /// <summary>A machine's list of devices, while one is added. Sleeps: adding one makes its backing file.</summary>
    Devices,

    /// <summary>
    /// The areas of one address space. Faults read; map, unmap, fork, exit write. Taken for two spaces at once only by
    /// fork, parent before child, where nobody else can know the child. Sleeps.
    /// </summary>
    Space,

    /// <summary>
    /// One file's changes of its layout that somebody asked for, each as a whole: one at a time. Sleeps: it waits for storage.
    /// </summary>
    LayoutChange,

    /// <summary>
    /// The write-back of one file, and those pieces of a change of its layout that move what may have been written or take it
    /// away: one at a time. Sleeps: it waits for storage.
    /// </summary>
    WriteBack,

    /// <summary>
    /// One file's layout (its size and where its bytes lie). Taken by changes of the layout; an ordinary fault does not
    /// take it but checks its sequence (<see cref="InvalidateLock"/>). Sleeps: a change waits for storage.
    /// </summary>
    Invalidate,

    /// <summary>
    /// What a change of the layout has cut out of one file, until it is noted as space that the file has left. Who finds no other
    /// space waits for it. Sleeps: there may be much of it.
    /// </summary>
    CutExtents,

    /// <summary>
    /// Private pages of one file on their way from one table to another (fork, mremap), and changes that must find all of them.
    /// Sleeps: it is held over a walk.
    /// </summary>
    Moves,

    /// <summary>The removal of one file's unattached tables. Sleeps: it is held over a walk.</summary>
    Reclaim,

    /// <summary>The index of one file's tables, by who changes it. Spins.</summary>
    TableIndex,

    /// <summary>The entries of one page table of level 5; a parent (the higher level) before its child. Spins.</summary>
    Table5,

    /// <summary>The same at level 4.</summary>
    Table4,

    /// <summary>The same at level 3.</summary>
    Table3,

    /// <summary>The same at level 2.</summary>
    Table2,

    /// <summary>The same at level 1.</summary>
    Table1,

    /// <summary>Which tables of spaces may show one file (ReverseMap). Spins.</summary>
    ReverseMap,

    /// <summary>A device's free space. Spins.</summary>
    FileStorage,

    /// <summary>A device's list of files and of failed pages. Sleeps.</summary>
    DeviceFiles,

    /// <summary>A machine's set of spaces. Sleeps.</summary>
    Spaces,

    /// <summary>The numbers of tables' owners. Sleeps.</summary>
    Owners,

    /// <summary>Frames that wait for an epoch to end. Spins.</summary>
    Limbo,

    /// <summary>One processor's share of free frames. Spins.</summary>
    FrameCache,

    /// <summary>Free blocks of frames. Spins.</summary>
    FrameBlocks,

    /// <summary>One processor's translation caches. Spins.</summary>
    Processor,

    /// <summary>
    /// No lock, but a call of a platform, which answers a flush under locks of its own: it calls nothing of the library that takes
    /// one.
    /// </summary>
    Platform,
}
