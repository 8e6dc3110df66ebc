namespace Pando.Concurrency;

/// <summary>The places at which the order of threads matters, and where a test may take control of it.</summary>
internal enum SchedulePoint
{
    /// <summary>About to try to take a lock.</summary>
    LockTaking,

    /// <summary>A lock was found taken; the thread waits until it may be free.</summary>
    LockWaiting,

    /// <summary>A lock was released.</summary>
    LockReleased,

    /// <summary>About to read an entry of a page table.</summary>
    EntryRead,

    /// <summary>About to write an entry of a page table.</summary>
    EntryWrite,

    /// <summary>About to raise or lower a table's attach count, to look whose the table is, or to retire it.</summary>
    AttachCount,

    /// <summary>Entered an epoch.</summary>
    EpochEntered,

    /// <summary>About to leave an epoch.</summary>
    EpochLeaving,

    /// <summary>Has left an epoch; who waits for that may go on.</summary>
    EpochLeft,

    /// <summary>About to try to advance the epoch and free what waited for it.</summary>
    EpochAdvance,

    /// <summary>The sequence of a file's invalidate lock was read.</summary>
    SequenceRead,

    /// <summary>About to change the sequence of a file's invalidate lock.</summary>
    SequenceWrite,

    /// <summary>About to ask processors to drop translations.</summary>
    FlushBegin,

    /// <summary>All processors asked have dropped the translations.</summary>
    FlushEnd,

    /// <summary>About to allocate a frame.</summary>
    FrameAllocate,

    /// <summary>About to give back a frame.</summary>
    FrameFree,

    /// <summary>
    /// About to read or change another word that threads share without a lock: how many refer to a frame or a file, where
    /// a file lies, what has been written, on which processors a space is loaded.
    /// </summary>
    SharedWord,

    /// <summary>About to load, store, copy or clear bytes of memory.</summary>
    Bytes,
}
