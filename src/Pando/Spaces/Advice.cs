namespace Pando.Spaces;

/// <summary>What madvise(2) is told, with Linux's numbers.</summary>
public enum Advice
{
    /// <summary>No special treatment.</summary>
    Normal = 0,

    /// <summary>Access at random.</summary>
    Random = 1,

    /// <summary>Access in order.</summary>
    Sequential = 2,

    /// <summary>Will be needed soon. Pages are not read from anywhere here: nothing to do.</summary>
    WillNeed = 3,

    /// <summary>Private pages are dropped; files' pages are mapped anew at the next access.</summary>
    DontNeed = 4,

    /// <summary>Private pages may be dropped; here they are, at once.</summary>
    Free = 8,

    /// <summary>The file's storage of the range is freed: a hole.</summary>
    Remove = 9,

    /// <summary>A child does not get the range.</summary>
    DontFork = 10,

    /// <summary>Undoes <see cref="DontFork"/>.</summary>
    DoFork = 11,

    /// <summary>Pages with the same contents may be merged. Only noted.</summary>
    Mergeable = 12,

    /// <summary>Undoes <see cref="Mergeable"/>.</summary>
    Unmergeable = 13,

    /// <summary>Large pages are wanted. Only noted: files use them wherever they fit.</summary>
    HugePage = 14,

    /// <summary>Large pages are not wanted. Only noted.</summary>
    NoHugePage = 15,

    /// <summary>Left out of core dumps.</summary>
    DontDump = 16,

    /// <summary>Undoes <see cref="DontDump"/>.</summary>
    DoDump = 17,

    /// <summary>A child gets the range empty.</summary>
    WipeOnFork = 18,

    /// <summary>Undoes <see cref="WipeOnFork"/>.</summary>
    KeepOnFork = 19,

    /// <summary>May be reclaimed first. Nothing is swapped here, and a DAX page is its own storage: nothing to do.</summary>
    Cold = 20,

    /// <summary>Reclaim now. Nothing is swapped here, and a DAX page is its own storage: nothing to do.</summary>
    PageOut = 21,

    /// <summary>Fault every page in as if it were read.</summary>
    PopulateRead = 22,

    /// <summary>Fault every page in as if it were written.</summary>
    PopulateWrite = 23,
}
