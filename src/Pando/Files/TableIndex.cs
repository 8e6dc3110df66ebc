using Pando.Concurrency;
using Pando.Costs;
using Pando.Hardware;
using Pando.Intervals;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// The tables of a file, by what they are views of. Look-ups take no lock: whoever looks is inside an epoch. Any
/// look-up or change costs the logarithm of the tables there are, and holds no managed memory.
/// </summary>
internal sealed class TableIndex(TableStore store)
{
    private readonly TableStore _store = store;
    private readonly NativeTree<Item, long, ByWindow> _tree = new(store.Epochs);

    // Held by who changes the tree. Spins.
    private int _lock;

    /// <summary>Tables in the index.</summary>
    public int Count => _tree.Count;

    /// <summary>Forgets all tables: the memory in which they lay is gone.</summary>
    public void Abandon()
    {
        _tree.Clear();
        _tree.Commit();
    }

    /// <summary>The table for a key, which may be dead; none where there is none.</summary>
    public Frame Find(in TableKey key) => Find(_tree.Root, new Item(key, Frame.None));

    /// <summary>Puts a table in, unless there is one for its key that can be attached; that is attached instead.</summary>
    /// <param name="key">What the table is a view of.</param>
    /// <param name="made">The table.</param>
    /// <returns>The table that stands in the index.</returns>
    public Frame Add(in TableKey key, Frame made)
    {
        var item = new Item(key, made);
        using var held = WordLock.Hold(ref _lock, LockRank.TableIndex);
        var other = Schedule.LeavesOut(ProtocolPart.IndexLook) ? Frame.None : Find(_tree.Changed, item);
        if (!other.IsNone && _store.TryAttach(other))
        {
            return other;
        }

        // A dead one makes room.
        _tree.Put(item);
        _tree.Commit();
        return made;
    }

    /// <summary>Takes dead tables out, all at once.</summary>
    public void Remove(ReadOnlySpan<Frame> dead)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.TableIndex);
        foreach (var table in dead)
        {
            var item = new Item(FileTables.KeyOf(_store, table), table);

            // Another may have taken its place.
            if (Find(_tree.Changed, item) == table)
            {
                _tree.Remove(item);
            }
        }

        _tree.Commit();
    }

    /// <summary>
    /// Finds the next table of a level whose window has something of a range of the file. Inside an epoch; tables that come meanwhile may
    /// be missing.
    /// </summary>
    /// <param name="at">Behind which it is looked for; it moves on.</param>
    /// <param name="start">The first offset.</param>
    /// <param name="end">The first offset past the range.</param>
    /// <param name="table">The table.</param>
    public bool TryGetNext(ref Position at, long start, long end, out Frame table)
    {
        int node = Next(_tree.Root, at.Item, start, end);
        table = Frame.None;
        if (node != 0)
        {
            Cost.Count(CostKind.Mapping);
            at = new Position(_tree.Item(node));
            table = at.Item.Table;
        }

        GC.KeepAlive(this);
        return node != 0;
    }

    /// <summary>Finds tables that follow another in the order of all, higher levels first, as many as there is room for. Inside an epoch.</summary>
    /// <param name="after">The other; null to begin with the first.</param>
    /// <param name="found">Where they are put.</param>
    /// <returns>How many there are.</returns>
    public int FindAfter(TableKey? after, Span<Frame> found)
    {
        int count = 0;
        FindAfter(_tree.Root, after is { } key ? new Item(key, Frame.None) : Item.First, found, ref count);
        GC.KeepAlive(this);
        return count;
    }

    private Frame Find(int node, in Item item)
    {
        var found = Frame.None;
        while (node != 0)
        {
            ref readonly var here = ref _tree.Item(node);
            int order = ByWindow.Compare(item, here);
            if (order == 0)
            {
                found = here.Table;
                break;
            }

            node = order < 0 ? _tree.Left(node) : _tree.Right(node);
        }

        GC.KeepAlive(this);
        return found;
    }

    private int Next(int node, in Item after, long start, long end)
    {
        while (node != 0 && _tree.Summary(node) > start)
        {
            ref readonly var item = ref _tree.Item(node);
            if (item.Level < after.Level)
            {
                node = _tree.Left(node);
                continue;
            }

            if (ByWindow.Compare(item, after) > 0)
            {
                int found = Next(_tree.Left(node), after, start, end);
                if (found != 0)
                {
                    return found;
                }

                if (item.WindowStart < end && item.WindowEnd > start)
                {
                    return node;
                }
            }

            if (item.Level == after.Level && item.WindowStart >= end)
            {
                return 0;
            }

            node = _tree.Right(node);
        }

        return 0;
    }

    private void FindAfter(int node, in Item after, Span<Frame> found, ref int count)
    {
        while (node != 0 && count < found.Length)
        {
            ref readonly var item = ref _tree.Item(node);
            if (ByWindow.Compare(item, after) > 0)
            {
                FindAfter(_tree.Left(node), after, found, ref count);
                if (count < found.Length)
                {
                    found[count++] = item.Table;
                }
            }

            node = _tree.Right(node);
        }
    }

    /// <summary>A place in the order of all.</summary>
    public readonly struct Position
    {
        internal Position(in Item item) => Item = item;

        /// <summary>Before all tables of a level.</summary>
        public static Position Before(int level) => new(new Item(new TableKey(level, long.MinValue, long.MinValue, long.MinValue, default), Frame.None));

        internal Item Item { get; }
    }

    internal readonly struct Item(in TableKey key, Frame table)
    {
        public readonly long WindowStart = key.WindowStart;
        public readonly long WindowEnd = key.WindowEnd;
        public readonly long Origin = key.Origin;
        public readonly int Class = key.Class.Packed;
        public readonly int Level = key.Level;
        public readonly Frame Table = table;

        /// <summary>Before all.</summary>
        public static Item First => new(new TableKey(int.MaxValue, long.MinValue, long.MinValue, long.MinValue, default), Frame.None);
    }

    /// <summary>By levels, the highest first, and the windows' starts; of each part of the tree, the largest end is kept.</summary>
    private readonly struct ByWindow : ITreeOrder<Item, long>
    {
        public static int Compare(in Item one, in Item other)
        {
            int order = other.Level.CompareTo(one.Level);
            order = order != 0 ? order : one.WindowStart.CompareTo(other.WindowStart);
            order = order != 0 ? order : one.Origin.CompareTo(other.Origin);
            order = order != 0 ? order : one.WindowEnd.CompareTo(other.WindowEnd);
            return order != 0 ? order : one.Class.CompareTo(other.Class);
        }

        public static long Of(in Item item) => item.WindowEnd;

        public static long Join(in long first, in long second) => Math.Max(first, second);
    }
}
