using System.Runtime.CompilerServices;
using Pando.Concurrency;
using Pando.Costs;

namespace Pando.Intervals;

/// <summary>
/// A balanced tree of values in native memory, so that faults may change it: it allocates no managed memory once it has
/// been made. With epochs, each change makes a new tree beside the old one, of which it shares all but the way to
/// the change, and readers inside an epoch need no lock. Without, it changes in place. One thread changes it at a time.
/// </summary>
/// <remarks>
/// <para>
/// Items stand relative to those above them, so that all of a subtree moves by one number (<see cref="Distance"/>): whoever
/// goes down adds what he passes. A tree can be cut and put together again. Each of these costs the height.
/// </para>
/// <para>
/// With a watcher each item has a number from when it comes in until it goes, by which it is found wherever it has moved
/// (<see cref="TryGet"/>): the way up is known to the thread that makes changes, and to nobody else.
/// </para>
/// </remarks>
internal sealed class NativeTree<TItem, TSummary, TOrder>(Epochs? epochs, IItemWatcher<TItem>? watcher = null)
    where TItem : unmanaged
    where TSummary : unmanaged
    where TOrder : struct, ITreeOrder<TItem, TSummary>
{
    private readonly Epochs? _epochs = epochs;
    private readonly NativeArray<Node> _nodes = new();

    // With a watcher: the node of each item by its number, and the numbers that are free, as a list of their complements.
    private readonly IItemWatcher<TItem>? _watcher = watcher;
    private readonly NativeArray<int> _nodeOf = new();
    private int _freeNumber = -1;

    // The tree that readers find, and the tree as it will be; 0 for an empty one. A node's number is its index plus one.
    private int _root;
    private int _changed;

    // The change that is being made: nodes that it made may be changed in place.
    private long _change = 1;

    // Nodes that nobody needs; nodes that the change under way has taken out of the tree; nodes that were taken out by
    // earlier changes, oldest first, and may still be read. All are lists through Next.
    private int _free;
    private int _dropped;
    private int _waitingFirst;
    private int _waitingLast;

    private int _count;
    private int _changedCount;

    /// <summary>Items in the tree.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Nodes for which there is memory, in use or not; for tests.</summary>
    public int NodeCount => _nodes.Count;

    /// <summary>The root, 0 where the tree is empty. What it leads to stays as it is while the reader is inside an epoch.</summary>
    public int Root => Volatile.Read(ref _root);

    /// <summary>The root as it will be after <see cref="Commit"/>; for the thread that makes the change.</summary>
    public int Changed => _changed;

    /// <summary>The item of a node, less the sum of <see cref="Distance"/> of all nodes above it.</summary>
    public ref readonly TItem Item(int node) => ref At(node).Item;

    /// <summary>By how much everything below a node, and not the node itself, has moved.</summary>
    public long Distance(int node) => At(node).Distance;

    /// <summary>What is kept of a node's subtree.</summary>
    public ref readonly TSummary Summary(int node) => ref At(node).Summary;

    /// <summary>The node of all that comes before, 0 for none.</summary>
    public int Left(int node)
    {
        Cost.Count(CostKind.Node);
        return At(node).Left;
    }

    /// <summary>The node of all that comes after, 0 for none.</summary>
    public int Right(int node)
    {
        Cost.Count(CostKind.Node);
        return At(node).Right;
    }

    /// <summary>Sees to the memory of so many items that are to come in one by one; in a tree without readers.</summary>
    public void Reserve(int items) => _nodes.Reserve(items);

    /// <summary>
    /// Finds an item by the number that the watcher was told; for the thread that makes changes. Costs the height.
    /// </summary>
    /// <returns>False where it is in a part that is not in the tree.</returns>
    public bool TryGet(int number, out TItem item)
    {
        int node = _nodeOf[number];
        item = At(node).Item;
        long moved = 0;
        while (node != _changed)
        {
            Cost.Count(CostKind.Node);
            node = At(node).Above;
            if (node == 0)
            {
                return false;
            }

            moved += At(node).Distance;
        }

        item = moved == 0 ? item : TOrder.Moved(item, moved);
        return true;
    }

    /// <summary>Puts an item in, in the place of one that is the same to the order.</summary>
    public void Put(in TItem item) => _changed = Put(new Subtree(_changed), item).Root;

    /// <summary>Puts an item into a part that is not in the tree yet.</summary>
    public Subtree Put(Subtree part, in TItem item)
    {
        MakeRoom(part.Root);
        return new(AsRoot(Put(part.Root, item)));
    }

    /// <summary>Takes an item out.</summary>
    /// <returns>Whether it was there.</returns>
    public bool Remove(in TItem item)
    {
        MakeRoom(_changed);
        int found = 0;
        _changed = AsRoot(Remove(_changed, item, ref found));
        if (found == 0)
        {
            return false;
        }

        _changedCount--;
        ForgetItem(found, isDropped: false);
        Drop(found);
        return true;
    }

    /// <summary>
    /// Cuts the items from one on out of the tree. They stay as they are, whoever reads them, until they are dropped.
    /// </summary>
    public Subtree CutFrom(in TItem first)
    {
        MakeRoom(_changed);
        var (left, right) = Split(_changed, first);
        _changed = AsRoot(left);
        return new(AsRoot(right));
    }

    /// <summary>Puts items behind all that are in the tree.</summary>
    public void Append(Subtree part)
    {
        MakeRoom(_changed, part.Root);
        _changed = AsRoot(BalancedTree<int, Nodes>.Join(new Nodes(this), _changed, part.Root));
    }

    /// <summary>Moves all items of a part that is not in the tree, which stay in their order.</summary>
    public Subtree Move(Subtree part, long distance)
    {
        MakeRoom(part.Root);
        return new(AsRoot(Moved(part.Root, distance)));
    }

    /// <summary>Gives up some of the nodes of a part that was cut out, and leaves the others in it. Needs no memory.</summary>
    /// <param name="part">The part.</param>
    /// <param name="dropped">For the items of the nodes, less what those above had moved; as many are given up as it has room for.</param>
    /// <returns>How many were given up.</returns>
    public int Drop(ref Subtree part, Span<TItem> dropped)
    {
        // The roots of what is left are a list through Next.
        int list = part.Root;
        if (!part.IsDropping && list != 0)
        {
            At(list).Next = 0;
        }

        int count = 0;
        while (list != 0 && count < dropped.Length)
        {
            int node = list;
            list = At(node).Next;
            dropped[count++] = At(node).Item;
            foreach (int child in (ReadOnlySpan<int>)[At(node).Left, At(node).Right])
            {
                if (child != 0)
                {
                    At(child).Next = list;
                    list = AsRoot(child);
                }
            }

            ForgetItem(node, isDropped: true);
            Drop(node);
        }

        _changedCount -= count;
        part = new Subtree(list, IsDropping: true);
        return count;
    }

    /// <summary>Takes everything out.</summary>
    public void Clear()
    {
        DropAll(_changed);
        _changed = 0;
        _changedCount = 0;
    }

    /// <summary>Shows readers what has been changed since the last commit, all at once.</summary>
    public void Commit()
    {
        Volatile.Write(ref _count, _changedCount);
        _watcher?.Committed();
        if (_epochs is null)
        {
            _root = _changed;
            return;
        }

        // A full barrier: whoever enters an epoch that is read here, or a later one, finds the new tree.
        Interlocked.Exchange(ref _root, _changed);
        long epoch = _epochs.Current;
        while (_dropped != 0)
        {
            int node = _dropped;
            ref var dropped = ref At(node);
            _dropped = dropped.Next;
            dropped.Next = 0;
            dropped.Stamp = epoch;
            if (_waitingLast == 0)
            {
                _waitingFirst = node;
            }
            else
            {
                At(_waitingLast).Next = node;
            }

            _waitingLast = node;
        }

        _change++;
    }

    /// <summary>
    /// Sees to the memory that a change can need, at most sixteen nodes for each level (a level is copied with what was moved below
    /// it, and once more where it is balanced): from here on it cannot fail, and leave a tree of which half has been taken out.
    /// </summary>
    private void MakeRoom(int root, int other = 0)
    {
        var nodes = new Nodes(this);
        _nodes.Reserve(_epochs is null ? 1 : 16 * (Math.Max(nodes.Height(root), nodes.Height(other)) + 2));
        if (_watcher is not null)
        {
            _nodeOf.Reserve(1);
            _watcher.MakeRoom();
        }
    }

    private int Put(int node, in TItem item)
    {
        var nodes = new Nodes(this);
        if (node == 0)
        {
            _changedCount++;
            node = Make(item);
            NoteItem(node);
            return nodes.With(node, 0, 0);
        }

        Cost.Count(CostKind.Node);
        node = nodes.Open(node);
        int order = TOrder.Compare(item, At(node).Item);
        if (order == 0)
        {
            int same = Own(node);
            var before = At(same).Item;
            At(same).Item = item;
            _watcher?.Changed(At(same).Number, before, item);
            return nodes.With(same, At(same).Left, At(same).Right);
        }

        return order < 0
            ? BalancedTree<int, Nodes>.Balance(nodes, node, Put(At(node).Left, item), At(node).Right)
            : BalancedTree<int, Nodes>.Balance(nodes, node, At(node).Left, Put(At(node).Right, item));
    }

    private int Remove(int node, in TItem item, ref int found)
    {
        if (node == 0)
        {
            return 0;
        }

        Cost.Count(CostKind.Node);
        var nodes = new Nodes(this);
        node = nodes.Open(node);
        int order = TOrder.Compare(item, At(node).Item);
        if (order == 0)
        {
            found = node;
            return BalancedTree<int, Nodes>.Join(nodes, At(node).Left, At(node).Right);
        }

        int below = Remove(order < 0 ? At(node).Left : At(node).Right, item, ref found);
        return order < 0
            ? BalancedTree<int, Nodes>.Balance(nodes, node, below, At(node).Right)
            : BalancedTree<int, Nodes>.Balance(nodes, node, At(node).Left, below);
    }

    private (int Left, int Right) Split(int node, in TItem first)
    {
        if (node == 0)
        {
            return (0, 0);
        }

        Cost.Count(CostKind.Node);
        var nodes = new Nodes(this);
        node = nodes.Open(node);
        var (before, after) = (At(node).Left, At(node).Right);
        if (TOrder.Compare(At(node).Item, first) < 0)
        {
            var (low, high) = Split(after, first);
            return (BalancedTree<int, Nodes>.Join(nodes, before, node, low), high);
        }
        else
        {
            var (low, high) = Split(before, first);
            return (low, BalancedTree<int, Nodes>.Join(nodes, high, node, after));
        }
    }

    /// <summary>Moves a subtree with its root.</summary>
    private int Moved(int node, long distance)
    {
        if (node == 0)
        {
            return 0;
        }

        node = Own(node);
        ref var own = ref At(node);
        own.Item = TOrder.Moved(own.Item, distance);
        own.Distance += distance;
        NoteAbove(node);
        return node;
    }

    private int Make(in TItem item)
    {
        int node = _free;
        if (node != 0)
        {
            _free = At(node).Next;
        }
        else if (_waitingFirst != 0 && IsOver(At(_waitingFirst).Stamp))
        {
            node = _waitingFirst;
            _waitingFirst = At(node).Next;
            _waitingLast = _waitingFirst == 0 ? 0 : _waitingLast;
        }
        else
        {
            node = _nodes.Add() + 1;
        }

        ref var made = ref At(node);
        made.Item = item;
        made.Distance = 0;
        made.Stamp = _change;
        return node;
    }

    private bool IsOver(long epoch)
    {
        if (!_epochs!.IsOver(epoch))
        {
            _epochs.TryAdvance();
            _epochs.TryAdvance();
        }

        return _epochs.IsOver(epoch);
    }

    /// <summary>The node itself if it may be changed, or a copy.</summary>
    private int Own(int node)
    {
        if (_epochs is null || At(node).Stamp == _change)
        {
            return node;
        }

        ref var old = ref At(node);
        int copy = Make(old.Item);
        ref var made = ref At(copy);
        made.Left = old.Left;
        made.Right = old.Right;
        made.Height = old.Height;
        made.Distance = old.Distance;
        made.Summary = old.Summary;
        if (_watcher is not null)
        {
            made.Above = old.Above;
            made.Number = old.Number;
            _nodeOf[made.Number] = copy;
        }

        Drop(node);
        return copy;
    }

    /// <summary>Gives a new item its number.</summary>
    private void NoteItem(int node)
    {
        if (_watcher is null)
        {
            return;
        }

        int number = _freeNumber;
        if (number >= 0)
        {
            _freeNumber = ~_nodeOf[number];
        }
        else
        {
            number = _nodeOf.Add();
        }

        _nodeOf[number] = node;
        At(node).Number = number;
        _watcher.Added(number, At(node).Item);
    }

    /// <summary>Takes the number of an item back that is going.</summary>
    private void ForgetItem(int node, bool isDropped)
    {
        if (_watcher is null)
        {
            return;
        }

        int number = At(node).Number;
        _nodeOf[number] = ~_freeNumber;
        _freeNumber = number;
        if (isDropped)
        {
            _watcher.Dropped(number, At(node).Item);
        }
        else
        {
            _watcher.Removed(number, At(node).Item);
        }
    }

    /// <summary>
    /// Notes of a node's children what is above them. Not before they are its children for good: those it had may be below another
    /// already.
    /// </summary>
    private void NoteAbove(int node)
    {
        if (_watcher is null)
        {
            return;
        }

        ref var above = ref At(node);
        if (above.Left != 0)
        {
            At(above.Left).Above = node;
        }

        if (above.Right != 0)
        {
            At(above.Right).Above = node;
        }
    }

    /// <summary>A node above which there is none any more: of the tree, or of a part that is not in it.</summary>
    private int AsRoot(int node)
    {
        if (_watcher is not null && node != 0)
        {
            At(node).Above = 0;
        }

        return node;
    }

    private void Drop(int node)
    {
        ref int list = ref _dropped;
        if (_epochs is null || At(node).Stamp == _change)
        {
            // Nobody else has ever seen it, or there is nobody else.
            list = ref _free;
        }

        At(node).Next = list;
        list = node;
    }

    private void DropAll(int node)
    {
        if (node != 0)
        {
            DropAll(At(node).Left);
            DropAll(At(node).Right);
            ForgetItem(node, isDropped: true);
            Drop(node);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref Node At(int node) => ref _nodes[node - 1];

    /// <summary>Items that are not in the tree: cut out of it, or not put in yet. The default is none.</summary>
    /// <param name="Root">The root; of what is being given up the first of a list of roots.</param>
    /// <param name="IsDropping">Whether some of it has been given up.</param>
    public readonly record struct Subtree(int Root, bool IsDropping = false);

    private struct Node
    {
        public int Left;
        public int Right;
        public int Height;
        public int Next;

        // In the tree: the change that made the node. Waiting: the epoch in which it was taken out.
        public long Stamp;
        public long Distance;

        // With a watcher: what is above the node in the tree as it will be, or in a part, and the item's number.
        public int Above;
        public int Number;
        public TItem Item;
        public TSummary Summary;
    }

    private readonly struct Nodes(NativeTree<TItem, TSummary, TOrder> tree) : ITreeNodes<int>
    {
        public bool IsNone(int node) => node == 0;

        public int Open(int node)
        {
            if (node == 0 || tree.At(node).Distance == 0)
            {
                return node;
            }

            node = tree.Own(node);
            ref var own = ref tree.At(node);
            own.Left = tree.Moved(own.Left, own.Distance);
            own.Right = tree.Moved(own.Right, own.Distance);
            own.Distance = 0;
            tree.NoteAbove(node);
            return node;
        }

        public int Left(int node) => tree.At(node).Left;

        public int Right(int node) => tree.At(node).Right;

        public int Height(int node) => node == 0 ? 0 : tree.At(node).Height;

        public int Compare(int one, int other) => TOrder.Compare(tree.At(one).Item, tree.At(other).Item);

        public int With(int node, int left, int right)
        {
            Cost.Count(CostKind.Node);
            System.Diagnostics.Debug.Assert(tree.At(node).Distance == 0, "A node is opened before it gets other children.");
            node = tree.Own(node);
            ref var own = ref tree.At(node);
            var summary = TOrder.Of(own.Item);
            int height = 0;
            if (left != 0)
            {
                ref var child = ref tree.At(left);
                height = child.Height;
                summary = TOrder.Join(child.Summary, summary);
            }

            if (right != 0)
            {
                ref var child = ref tree.At(right);
                height = Math.Max(height, child.Height);
                summary = TOrder.Join(summary, child.Summary);
            }

            own.Left = left;
            own.Right = right;
            own.Height = height + 1;
            own.Summary = summary;
            tree.NoteAbove(node);
            return node;
        }
    }
}
