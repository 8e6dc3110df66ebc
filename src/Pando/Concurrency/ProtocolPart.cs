namespace Pando.Concurrency;

/// <summary>
/// Parts of the protocol between threads that a test may leave out, by <see cref="Schedule.LeavesOut"/>, to show that
/// the exploration of schedules sees it. In the ordinary build nothing can be left out.
/// </summary>
internal enum ProtocolPart
{
    /// <summary>A fault, or a copy of a file's table, asks again whether the file's layout has changed.</summary>
    SequenceCheck,

    /// <summary>Who walks without locks is counted in an epoch.</summary>
    Epoch,

    /// <summary>Who puts a slot into a file's table asks whether the table is dead.</summary>
    DeadCheck,

    /// <summary>Who has made a file's table looks again, under the index's lock, whether another has.</summary>
    IndexLook,

    /// <summary>A flush comes before what was flushed is given up.</summary>
    FlushFirst,

    /// <summary>A fork holds the file's reverse map while private pages are between parent and child.</summary>
    IndexDuringFork,

    /// <summary>A fault that a user's handler may have to be asked for finds in one look whether the page is there, and makes none.</summary>
    OneLookAtMissing,

    /// <summary>Who goes through the extents in a place is told of those that come in behind him.</summary>
    ExtentsMissed,

    /// <summary>A fault asks whether a change of the layout is taking leaves away where it is about to put one.</summary>
    Withdrawn,
}
