using Pando.Costs;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// What a file-wide change does to every leaf that shows a range of a file, wherever the leaf stands: once in each of
/// the file's tables, and in the private tables of spaces.
/// </summary>
internal abstract class FileChange(TableStore store)
{
    protected TableStore Store { get; } = store;

    /// <summary>Whether private copies of the file's pages (anonymous leaves in file mappings) are concerned as well.</summary>
    public virtual bool IncludesCopies => false;

    /// <summary>Changes one leaf. The table's lock is held.</summary>
    public abstract void Apply(Frame table, int level, int index, Entry leaf);

    /// <summary>
    /// Applies the change to the leaves of one table that have something of a range of the file.
    /// </summary>
    /// <param name="table">The table.</param>
    /// <param name="level">Its level.</param>
    /// <param name="origin">The file offset at its entry 0.</param>
    /// <param name="start">The first file offset of the range.</param>
    /// <param name="end">The first file offset past the range.</param>
    public void ApplyTo(Frame table, int level, long origin, long start, long end)
    {
        using var held = Store.Lock(table, level);
        ApplyToHeld(table, level, origin, start, end);
    }

    /// <summary>
    /// Applies the change to the leaves of a range in all tables of spaces that may show it. The caller holds the file's
    /// <see cref="ReverseMap"/>, so that no page is on its way from one table to another, and is inside an epoch, which keeps the tables.
    /// </summary>
    public void ApplyTo(ReverseMap map, long start, long end)
    {
        for (int level = Store.Geometry.HighestLeafLevel; level >= Level.Pte; level--)
        {
            ApplyTo(map, level, start, end);
        }
    }

    private void ApplyTo(ReverseMap map, int level, long start, long end)
    {
        for (var at = PartKey.FirstOf(level); map.TryGetNext(at, start, end, out var key);)
        {
            // The part may have been cut or have gone until its table's lock is held; from then on it stays.
            Cost.Count(CostKind.Mapping);
            using var held = Store.Lock(key.Table, key.Level);
            if (map.TryGetEnd(key, out long partEnd))
            {
                ApplyToHeld(key.Table, key.Level, key.Origin, Math.Max(start, key.Start), Math.Min(end, partEnd));
                at = key;
            }
        }
    }

    private void ApplyToHeld(Frame table, int level, long origin, long start, long end)
    {
        long entrySpan = Store.Geometry.EntrySpan(level);
        int first = (int)Math.Clamp((start - origin) / entrySpan, 0, Store.Geometry.Entries(level));
        int last = (int)Math.Clamp((end - origin + entrySpan - 1) / entrySpan, 0, Store.Geometry.Entries(level));
        for (int index = first; index < last; index++)
        {
            var entry = Store.Read(table, index);
            if (!Store.Format.IsLeaf(entry, level) || (!IncludesCopies && !Store.AnonymousFrameOf(entry, level).IsNone))
            {
                continue;
            }

            Apply(table, level, index, entry);
        }
    }
}
