namespace Pando.Files;

/// <summary>
/// A part of an address space that may show a file in tables of the space's own, as a change of the file's layout
/// sees it.
/// </summary>
internal interface IPrivateMapping
{
    /// <summary>The first file offset that it maps.</summary>
    long FileStart { get; }

    /// <summary>The first file offset past those that it maps.</summary>
    long FileEnd { get; }

    /// <summary>
    /// Removes the leaves that show a range of the file from the space's own tables, taking each table's lock. The
    /// caller holds the file's mapping index, which keeps the tables from being freed, and flushes afterwards.
    /// Private copies of pages stay.
    /// </summary>
    void RemoveLeaves(long start, long end);
}
