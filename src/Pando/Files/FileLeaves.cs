using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// The leaves that show one file, wherever they stand: in the file's own tables and in private tables of spaces. What a change of the
/// layout or a write-back does to them, it does here, once for all who show the file; the cost is that of the tables, not of the processes.
/// </summary>
/// <remarks>
/// It knows neither why leaves change nor what holds still meanwhile: the caller has excluded faults that would put them back
/// (<see cref="LayoutChanges"/>), or has taken the marks of what is protected (<see cref="FileWriteBack"/>).
/// </remarks>
internal sealed class FileLeaves(MappedFile file)
{
    // How many tables are given up with one flush.
    private const int MostDropped = 512;

    // How many tables of a level, and parts of tables of spaces, lose leaves while others wait, and how many 2 MiB at least.
    private const int MostTables = 8;
    private const int LeastBlocks = 4;

    // What faults change in other tables too, and write-backs: made once, since faults allocate nothing.
    private readonly RemoveLeaves _remove = new(file.Store, includingCopies: false);
    private readonly ProtectLeaves _protect = new(file.Store);

    private TableStore Store => file.Store;

    private FileTables Tables => file.Tables;

    private TableGeometry Geometry => file.Store.Geometry;

    /// <summary>
    /// Removes the leaves of a range, and flushes every processor that may hold them; private copies stay. With faults excluded, nobody
    /// reaches the range any more.
    /// </summary>
    public void Remove(long start, long end)
    {
        Change(start, end, _remove);
        Flush();
    }

    /// <summary>The same, and private copies go as well (truncation: Linux's even_cows). A large leaf that an end cuts goes as a whole; small ones before it stay.</summary>
    public void RemoveWithCopies(long start, long end)
    {
        var remove = new RemoveLeaves(Store, includingCopies: true);
        Change(start, end, remove);
        Flush();
        remove.Release();
    }

    /// <summary>
    /// The private copies of a range go, and all other leaves; piece by piece, between which others go on. The caller keeps the layout
    /// from other changes.
    /// </summary>
    public void RemoveWithCopiesInPieces(long start, long end)
    {
        while (start < end)
        {
            Tables.Invalidate.LetOthersGoOn();
            using var excluded = Tables.Invalidate.Change();
            long pieceEnd = PieceEnd(start, end);
            RemoveWithCopies(start, pieceEnd);
            start = pieceEnd;
        }
    }

    /// <summary>
    /// How far a range goes of which the leaves can be removed while others wait: to the end of so many of the tables that may show it,
    /// but some 2 MiB at least, however many tables these have.
    /// </summary>
    public long PieceEnd(long start, long end)
    {
        if (CutBefore(start, start, end) == end)
        {
            return end;
        }

        for (int level = Level.Pte; level <= Geometry.HighestLeafLevel; level++)
        {
            end = PieceEnd(level, MostTables, start, end);
        }

        return end;
    }

    /// <summary>The same by the tables of one level.</summary>
    private long PieceEnd(int level, int most, long start, long end)
    {
        int count = 0;
        using var epoch = Store.Epochs.Enter();
        foreach (var table in Tables.TablesOver(level, start, end))
        {
            if (++count > most)
            {
                end = CutBefore(Store.Memory.Record(table).WindowStart, start, end);
                break;
            }
        }

        count = 0;
        for (var at = PartKey.FirstOf(level); Tables.ReverseMap.TryGetNext(at, start, end, out var key); at = key)
        {
            if (++count > most)
            {
                end = CutBefore(key.Start, start, end);
                break;
            }
        }

        return end;
    }

    private long CutBefore(long place, long start, long end)
    {
        long block = Geometry.EntrySpan(Level.Pmd);
        return Math.Min(end, Math.Max(place & -block, (start & -block) + (LeastBlocks * block)));
    }

    /// <summary><see cref="Join(long, long)"/>, piece by piece, between which others go on. The caller keeps the layout from other changes.</summary>
    public void JoinInPieces(long start, long end)
    {
        while (start < end)
        {
            Tables.Invalidate.LetOthersGoOn();
            using var excluded = Tables.Invalidate.Change();
            long pieceEnd = PieceEnd(Level.Pmd, 1, start, end);
            Join(start, pieceEnd);
            start = pieceEnd;
        }
    }

    /// <summary>Makes the leaves of some ranges read-only and clean, so that the next store is noticed again, and flushes every processor that may hold them.</summary>
    public void Protect(List<(long Offset, long Length)> ranges)
    {
        foreach (var (offset, length) in ranges)
        {
            Change(offset, offset + length, _protect);
        }

        // All of them, also those whose leaf somebody else had protected already (hazard 49).
        Flush();
    }

    /// <summary>
    /// After a change of the layout: where one large leaf fits now, the table of smaller ones is taken out of the file's
    /// table above it, and the next fault puts the large one. The small table stays warm for those who attach to it
    /// directly: it shows the same.
    /// </summary>
    public void Join(long start, long end)
    {
        for (int level = Level.Pmd; level <= Math.Max(Level.Pmd, Math.Min(file.HighestLeafLevel, Store.LargestLeafLevel)); level++)
        {
            Join(start, end, level);
        }
    }

    private void Join(long start, long end, int level)
    {
        long block = Geometry.EntrySpan(level);
        Span<Frame> dropped = stackalloc Frame[MostDropped];
        int count = 0;
        using var epoch = Store.Epochs.Enter();
        foreach (var table in Tables.TablesOver(level, start, end))
        {
            var key = Tables.KeyOf(table);
            if (key.Origin % block != 0)
            {
                continue;
            }

            var limits = new LeafLimits(level, SmallPageReason.None, key.WindowStart, key.WindowEnd);
            int first = (int)Math.Clamp((start - key.Origin) / block, 0, Geometry.Entries(level));
            int last = (int)Math.Clamp((end - key.Origin + block - 1) / block, 0, Geometry.Entries(level));
            using var held = Store.Lock(table, level);
            for (int index = first; index < last; index++)
            {
                var entry = Store.Read(table, index);
                if (Store.Format.IsSlot(entry, level) && file.WhySmall(key.Origin + (index * block), limits) == SmallPageReason.None)
                {
                    if (count == dropped.Length)
                    {
                        Detach(dropped);
                        count = 0;
                    }

                    dropped[count++] = Store.TableOf(Store.Take(table, level, index), level);
                }
            }
        }

        Detach(dropped[..count]);
    }

    private void Detach(ReadOnlySpan<Frame> tables)
    {
        if (tables.IsEmpty)
        {
            return;
        }

        Flush();
        foreach (var table in tables)
        {
            Store.Detach(table);
        }

        Store.Count(TableEvent.Detached, tables.Length);
    }

    /// <summary>Applies a change to the leaves of a range: once in each of the file's tables, then in the private tables that may show the file.</summary>
    private void Change(long start, long end, FileChange change)
    {
        using var epoch = Store.Epochs.Enter();
        for (int level = Geometry.HighestLeafLevel; level >= Level.Pte; level--)
        {
            foreach (var table in Tables.TablesOver(level, start, end))
            {
                change.ApplyTo(table, level, Store.Memory.Record(table).Origin, start, end);
            }
        }

        using var map = Tables.ReverseMap.Hold();
        change.ApplyTo(Tables.ReverseMap, start, end);
    }

    private void Flush() => Store.Shootdown.FlushShared(Tables);
}
