namespace Pando.Files;

/// <summary>
/// What the engine does so that data and metadata are durable when it says so. A test may leave each out, by
/// <see cref="PmemDevice.LeavesOut"/>, to show that it sees it. In the ordinary build nothing can be left out.
/// </summary>
internal enum DurabilityPart
{
    /// <summary>Write-back syncs what was marked as written.</summary>
    WriteBack,

    /// <summary>Write-back commits the file's metadata.</summary>
    Commit,

    /// <summary>The marks of a write-back that failed come back.</summary>
    MarksComeBack,

    /// <summary>A store with MAP_SYNC commits the metadata that lead to its page.</summary>
    SynchronousStore,

    /// <summary>Space is synced after it was cleared, before a new file leads to it.</summary>
    NewFile,

    /// <summary>A new file's metadata are committed.</summary>
    CommitNewFile,

    /// <summary>Space is synced after it was cleared, before a hole becomes it.</summary>
    FilledHole,

    /// <summary>A copy that a store to a shared page makes is synced before the file leads to it.</summary>
    CopyToStore,

    /// <summary>A copy that a migration makes is synced before the file leads to it.</summary>
    Migration,

    /// <summary>A migration commits the metadata that do not lead to the range any more.</summary>
    CommitMigration,

    /// <summary>What was written is written back before a clone of it is made, which has no marks for it.</summary>
    CloneSource,

    /// <summary>So is what was stored meanwhile, when no more can be stored.</summary>
    CloneSourceRest,

    /// <summary>What was written is written back before its offsets change, where no marks stand.</summary>
    Shift,

    /// <summary>So is what was stored meanwhile, when no more can be stored.</summary>
    ShiftRest,

    /// <summary>Space that a file has left is not used again before the metadata are durable that do not lead there.</summary>
    Reuse,

    /// <summary>A part of a page that was cleared is marked as written.</summary>
    ClearedPart,
}
