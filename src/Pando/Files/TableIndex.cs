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
/// <remarks>
/// All stand in a tree. Mostly there is one for a span of the file, and who maps a file of terabytes attaches thousands, so that one of
/// each span (the first, where several differ in window, class or address) is found by its place as well, in a few steps. That one may be
/// missing there, for want of memory.
/// </remarks>
internal sealed class TableIndex
{
    private readonly TableStore _store;
    private readonly NativeTree<Item, long, ByWindow> _tree;

    // By level and place: the number of a table's frame. A word that is not zero holds its place.
    private readonly FrameRadix[] _places = new FrameRadix[Level.Pgd + 1];

    // Held by who changes the tree. Spins.
    private int _lock;

    public TableIndex(TableStore store)
    {
        _store = store;
        _tree = new(store.Epochs);
        for (int level = Level.Pte; level <= Level.Pgd; level++)
        {
            _places[level] = new FrameRadix(store);
        }
    }

    /// <summary>Tables in the index.</summary>
    public int Count => _tree.Count;

    /// <summary>Frames that the index takes.</summary>
    public int FrameCount
    {
        get
        {
            int count = 0;
            for (int level = Level.Pte; level <= Level.Pgd; level++)
            {
                count += _places[level].FrameCount;
            }

            return count;
        }
    }

    /// <summary>Forgets all tables: the memory in which they lay is gone.</summary>
    public void Abandon()
    {
        _tree.Clear();
        _tree.Commit();
        for (int level = Level.Pte; level <= Level.Pgd; level++)
        {
            _places[level].Abandon();
        }
    }

    /// <summary>The table for a key, which may be dead; none where there is none.</summary>
    public Frame Find(in TableKey key)
    {
        var table = AtPlace(key.Level, key.Origin);
        return !table.IsNone && IsOf(table, key) ? table : Find(_tree.Root, new Item(key, Frame.None));
    }

    private bool IsOf(Frame table, in TableKey key)
    {
        ref var record = ref _store.Memory.Record(table);
        return record.Origin == key.Origin && record.WindowStart == key.WindowStart && record.WindowEnd == key.WindowEnd && record.Class == key.Class.Packed;
    }

    /// <summary>All tables that are found by their places; at rest.</summary>
    public List<Frame> Placed()
    {
        var tables = new List<Frame>();
        for (int level = Level.Pte; level <= Level.Pgd; level++)
        {
            _places[level].ForEach((_, table) => tables.Add(new Frame((int)table)));
        }

        return tables;
    }

    private Frame AtPlace(int level, long origin)
    {
        var cell = _places[level].Find(PlaceOf(level, origin));
        return cell.IsNone ? Frame.None : new Frame((int)Volatile.Read(ref _places[level].At(cell)));
    }

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
        Place(key, made);
        return made;
    }

    /// <summary>Takes dead tables out, all at once.</summary>
    public void Remove(ReadOnlySpan<Frame> dead)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.TableIndex);
        foreach (var table in dead)
        {
            var key = FileTables.KeyOf(_store, table);
            TakeFromPlace(key, table);
            var item = new Item(key, table);

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

    // An origin is negative, by less than a span, where a mapping begins in the middle of one.
    private long PlaceOf(int level, long origin) => (origin >> _store.Geometry.TableShift(level)) + 1;

    /// <summary>Lets a table be found by its place, where no other is.</summary>
    private void Place(in TableKey key, Frame table)
    {
        var places = _places[key.Level];
        long place = PlaceOf(key.Level, key.Origin);
        if (places.TryMake(place, out var cell) && Interlocked.CompareExchange(ref places.At(cell), (ulong)table.Number, 0) != 0)
        {
            places.Release(place, cell);
        }
    }

    private void TakeFromPlace(in TableKey key, Frame table)
    {
        var places = _places[key.Level];
        long place = PlaceOf(key.Level, key.Origin);
        var cell = places.Find(place);
        if (!cell.IsNone && Interlocked.CompareExchange(ref places.At(cell), 0, (ulong)table.Number) == (ulong)table.Number)
        {
            places.Release(place, cell);
        }
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
