using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// Something that address spaces can map: a file on a memory device (<see cref="DaxFile"/>) or in RAM
/// (<see cref="MemoryFile"/>). It owns the page tables through which it is shown.
/// </summary>
/// <remarks>
/// <para>
/// A file lives as long as somebody has it open or maps it. <see cref="Dispose"/> closes it; what it holds is given
/// back when the last mapping is gone.
/// </para>
/// <para>All members are safe for threads.</para>
/// </remarks>
public abstract class MappedFile : IDisposable
{
    // Mappings, plus one while the file is open.
    private int _users = 1;
    private int _closed;

    private protected MappedFile(TableStore store, string name, long size)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Store = store;
        Name = name;
        Size = size;
        Tables = new FileTables(store, this);
    }

    /// <summary>The file's name, for reports.</summary>
    public string Name { get; }

    /// <summary>Bytes in the file.</summary>
    public long Size { get; private protected set; }

    /// <summary>The page tables that belong to the file.</summary>
    public FileTables Tables { get; }

    /// <summary>Mappings of the file that may show it in private tables.</summary>
    internal PrivateMappings PrivateMappings { get; } = new();

    internal TableStore Store { get; }

    /// <summary>Whether the file is neither open nor mapped, and has given everything back.</summary>
    public bool HasEnded => Volatile.Read(ref _users) == 0;

    /// <summary>The size of the pages that the file wants to be mapped with.</summary>
    public abstract long PageSize { get; }

    /// <summary>
    /// Whether a place of the file can be shown by a 2 MiB leaf in a mapping of the whole file at a congruent
    /// address, and if not, why.
    /// </summary>
    public SmallPageReason WhySmall(long offset) =>
        WhySmall(offset, new LeafLimits(Level.Pmd, SmallPageReason.None, 0, long.MaxValue));

    /// <summary>The same, for a place with given limits.</summary>
    public abstract SmallPageReason WhySmall(long offset, in LeafLimits limits);

    /// <summary>
    /// Where a byte of the file lies at this moment: its own storage, or the page of zeroes for a hole; null past the
    /// end and where a memory file has no frame yet. Changes nothing.
    /// </summary>
    public abstract PhysicalAddress? Locate(long offset);

    /// <summary>
    /// Finds the page at a file offset, for a leaf. May allocate a frame. The answer is true until the sequence of
    /// <see cref="SharedTableOwner.Invalidate"/> moves; the caller has read it before.
    /// </summary>
    /// <param name="offset">The offset, in bytes.</param>
    /// <param name="write">Whether a store is to follow.</param>
    /// <param name="limits">What the leaf's place allows.</param>
    internal abstract FilePage Find(long offset, bool write, in LeafLimits limits);

    /// <summary>
    /// Gives storage to a hole, after <see cref="Find"/> has asked for it by <see cref="PageStatus.MustAllocate"/>.
    /// The caller holds no lock from the file's invalidate lock on.
    /// </summary>
    internal virtual PageStatus Allocate(long offset) => PageStatus.Found;

    /// <summary>Notes that a leaf is about to be write-enabled: from here on the range counts as written.</summary>
    internal virtual void NoteWrite(long offset, long length)
    {
    }

    /// <summary>Counts one mapping more. The caller has the file open or mapped.</summary>
    internal void AddUser()
    {
        int users = Volatile.Read(ref _users);
        while (true)
        {
            // From zero no way leads back: the file has given up what it had.
            if (users == 0)
            {
                throw new ObjectDisposedException(Name, "The file has been closed and nobody maps it any more.");
            }

            int seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
            {
                return;
            }

            users = seen;
        }
    }

    /// <summary>Counts one mapping less.</summary>
    internal void RemoveUser()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            Tables.Free();
            FreeStorage();
        }
    }

    /// <summary>Closes the file. Mappings stay valid.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            RemoveUser();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Gives back the file's pages. Nobody maps it any more.</summary>
    private protected abstract void FreeStorage();

    /// <summary>
    /// A file-wide change: excludes faults of the file, changes its layout, removes the leaves of the range from the
    /// file's tables and from private ones, and flushes every processor that may hold them. When it returns, nobody
    /// reaches what the range showed before.
    /// </summary>
    /// <param name="start">The first file offset, a multiple of 4 KiB.</param>
    /// <param name="end">The first file offset past the range.</param>
    /// <param name="change">Changes the layout; the leaves are still there. False to change nothing after all.</param>
    /// <param name="afterFlush">Gives back what nobody can reach any more.</param>
    private protected bool ChangeLayout(long start, long end, Func<bool> change, Action afterFlush)
    {
        Tables.Invalidate.Enter();
        try
        {
            if (!change())
            {
                return false;
            }

            RemoveLeaves(start, end);
            Store.Shootdown.FlushShared(Tables);
            afterFlush();
            return true;
        }
        finally
        {
            Tables.Invalidate.Exit();
        }
    }

    private void RemoveLeaves(long start, long end)
    {
        var epoch = Store.Epochs.Enter();
        for (int level = Store.Format.HighestLeafLevel; level >= Level.Pte; level--)
        {
            foreach (var table in Tables.TablesOver(level, start, end))
            {
                RemoveLeaves(Store, table, level, Store.Memory.Record(table).Origin, start, end);
            }
        }

        PrivateMappings.Enter();
        PrivateMappings.RemoveLeaves(start, end);
        PrivateMappings.Exit();
        Store.Epochs.Exit(epoch);
    }

    /// <summary>
    /// Removes, from one table whose entry 0 shows the file from <paramref name="origin"/> on, the leaves that have
    /// something of a range of the file. Anonymous leaves stay.
    /// </summary>
    internal static void RemoveLeaves(TableStore store, Frame table, int level, long origin, long start, long end)
    {
        long entrySpan = Level.EntrySpan(level);
        int first = (int)Math.Clamp((start - origin) / entrySpan, 0, Level.Entries);
        int last = (int)Math.Clamp((end - origin + entrySpan - 1) / entrySpan, 0, Level.Entries);
        store.Lock(table, level);
        for (int index = first; index < last; index++)
        {
            var entry = store.Read(table, index);
            if (store.Format.IsLeaf(entry, level) && store.AnonymousFrameOf(entry, level).IsNone)
            {
                store.Take(table, level, index);
            }
        }

        store.Unlock(table, level);
    }
}
