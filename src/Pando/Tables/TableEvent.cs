namespace Pando.Tables;

/// <summary>What a machine counts.</summary>
public enum TableEvent
{
    /// <summary>A table was made.</summary>
    TableCreated,

    /// <summary>A table was given back.</summary>
    TableFreed,

    /// <summary>A slot was pointed at a file's table.</summary>
    Attached,

    /// <summary>A slot that pointed at a file's table was changed to something else.</summary>
    Detached,

    /// <summary>A space left a file's table for a private copy.</summary>
    Diverged,

    /// <summary>A space left a file's table and kept nothing: a later fault rebuilds what is needed.</summary>
    DivergedToNothing,

    /// <summary>A private table was given up for the file's.</summary>
    Converged,

    /// <summary>A leaf was filled, by a fault or by populating a range.</summary>
    LeafPopulated,

    /// <summary>A leaf became writable because its page was written for the first time.</summary>
    LeafWriteEnabled,

    /// <summary>A private page was copied, or given its first frame.</summary>
    PageCopied,

    /// <summary>Translations were flushed.</summary>
    Flush,

    /// <summary>A processor held the translations that a flush was for.</summary>
    ProcessorReached,

    /// <summary>A fault that filled a leaf.</summary>
    FaultPopulated,

    /// <summary>A fault that only had to attach: the leaf was there.</summary>
    FaultAttached,

    /// <summary>A fault that write-enabled a leaf.</summary>
    FaultWriteEnabled,

    /// <summary>A fault that copied a page or filled a private one.</summary>
    FaultCopied,

    /// <summary>A fault that marked a leaf as accessed or dirty.</summary>
    FaultMarked,

    /// <summary>A fault that found all done.</summary>
    FaultSpurious,

    /// <summary>A fault that ended in a signal.</summary>
    FaultFailed,

    /// <summary>A fault that ran again because something changed under it.</summary>
    FaultRetried,
}
