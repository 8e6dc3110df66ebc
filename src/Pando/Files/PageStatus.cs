namespace Pando.Files;

/// <summary>How a look-up of a file's page ended.</summary>
internal enum PageStatus
{
    /// <summary>The page is there.</summary>
    Found,

    /// <summary>A memory file has no page there yet, and was not to make one.</summary>
    Absent,

    /// <summary>The offset lies past the end of the file: a bus error.</summary>
    PastEnd,

    /// <summary>No frame could be had for the page.</summary>
    OutOfMemory,

    /// <summary>No storage could be had for the page: a bus error, as on Linux when a device is full.</summary>
    OutOfSpace,

    /// <summary>The memory of the page has failed: a hardware-poison bus error.</summary>
    Poisoned,

    /// <summary>Storage failed when the page was to be given a place of its own: a bus error.</summary>
    Failed,

    /// <summary>A store goes to where the file has no storage of its own: it must be allocated first, which changes the layout.</summary>
    MustGiveStorage,

    /// <summary>A change of the layout is taking leaves away there: it must be told first that one comes back.</summary>
    MustReadmit,

    /// <summary>Whoever provides the file's pages must be asked for this one first, with nothing locked.</summary>
    MustProvide,
}
