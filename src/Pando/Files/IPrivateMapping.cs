namespace Pando.Files;

/// <summary>
/// A part of an address space that may show a file in tables of the space's own, as a file-wide change sees it.
/// </summary>
internal interface IPrivateMapping
{
    /// <summary>The first file offset that it maps.</summary>
    long FileStart { get; }

    /// <summary>The first file offset past those that it maps.</summary>
    long FileEnd { get; }

    /// <summary>
    /// Applies a change to the leaves that show a range of the file in the space's own tables, taking each table's
    /// lock. The caller holds the file's mapping index, which keeps the mapping, and is inside an epoch, which keeps
    /// the tables; it flushes afterwards.
    /// </summary>
    void Apply(FileChange change, long start, long end);
}
