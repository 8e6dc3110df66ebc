using System.Runtime.CompilerServices;
using Pando.Concurrency;
using Pando.Costs;

namespace Pando.Intervals;

/// <summary>
/// A balanced tree of values in native memory, so that faults may change it: it allocates no managed memory once it has
/// been made. With epochs, each change makes a new tree beside the old one, of which it shares all but the way to
/// the change, and readers inside an epoch need no lock. Without, it changes in place. One thread changes it at a time.
/// </summary>
internal sealed class NativeTree<TItem, TSummary, TOrder>(Epochs? epochs)
    where TItem : unmanaged
    where TSummary : unmanaged
    where TOrder : struct, ITreeOrder<TItem, TSummary>
{
    private readonly Epochs? _epochs = epochs;
    private readonly NativeArray<Node> _nodes = new();

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

    /// <summary>The root, 0 where the tree is empty. What it leads to stays as it is while the reader is inside an epoch.</summary>
    public int Root => Volatile.Read(ref _root);

    /// <summary>The root as it will be after <see cref="Commit"/>; for the thread that makes the change.</summary>
    public int Changed => _changed;

    /// <summary>The item of a node.</summary>
    public ref readonly TItem Item(int node) => ref At(node).Item;

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

    /// <summary>Puts an item in, in the place of one that is the same to the order.</summary>
    public void Put(in TItem item)
    {
        MakeRoom();
        _changed = Put(_changed, item);
    }

    /// <summary>Takes an item out.</summary>
    /// <returns>Whether it was there.</returns>
    public bool Remove(in TItem item)
    {
        MakeRoom();
        for (int node = _changed; node != 0;)
        {
            int order = TOrder.Compare(item, At(node).Item);
            if (order == 0)
            {
                _changed = BalancedTree<int, Nodes>.Remove(new Nodes(this), _changed, node);
                _changedCount--;
                Drop(node);
                return true;
            }

            node = order < 0 ? Left(node) : Right(node);
        }

        return false;
    }

    /// <summary>Moves the last items, which stay the last and in the same order.</summary>
    public void Move<TMove>(TMove move)
        where TMove : struct, ITreeMove<TItem>
    {
        // Each node may be copied.
        _nodes.Reserve(_epochs is null ? 0 : _changedCount);
        _changed = Move(_changed, move);
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
    /// Sees to the memory that a change can need, at most four nodes for each level: from here on it cannot fail, and leave a tree
    /// of which half has been taken out.
    /// </summary>
    private void MakeRoom() => _nodes.Reserve(_epochs is null ? 1 : 4 * (new Nodes(this).Height(_changed) + 1));

    private int Put(int node, in TItem item)
    {
        var nodes = new Nodes(this);
        if (node == 0)
        {
            _changedCount++;
            return nodes.With(Make(item), 0, 0);
        }

        Cost.Count(CostKind.Node);
        int order = TOrder.Compare(item, At(node).Item);
        if (order == 0)
        {
            int same = Own(node);
            At(same).Item = item;
            return nodes.With(same, At(same).Left, At(same).Right);
        }

        return order < 0
            ? BalancedTree<int, Nodes>.Balance(nodes, node, Put(At(node).Left, item), At(node).Right)
            : BalancedTree<int, Nodes>.Balance(nodes, node, At(node).Left, Put(At(node).Right, item));
    }

    private int Move<TMove>(int node, TMove move)
        where TMove : struct, ITreeMove<TItem>
    {
        if (node == 0)
        {
            return 0;
        }

        Cost.Count(CostKind.Node);
        int left = At(node).Left;
        if (move.Moves(At(node).Item))
        {
            left = Move(left, move);
            node = Own(node);
            At(node).Item = move.Moved(At(node).Item);
        }

        return new Nodes(this).With(node, left, Move(At(node).Right, move));
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
        Drop(node);
        return copy;
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
            Drop(node);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref Node At(int node) => ref _nodes[node - 1];

    private struct Node
    {
        public int Left;
        public int Right;
        public int Height;
        public int Next;

        // In the tree: the change that made the node. Waiting: the epoch in which it was taken out.
        public long Stamp;
        public TItem Item;
        public TSummary Summary;
    }

    private readonly struct Nodes(NativeTree<TItem, TSummary, TOrder> tree) : ITreeNodes<int>
    {
        public bool IsNone(int node) => node == 0;

        public int Left(int node) => tree.At(node).Left;

        public int Right(int node) => tree.At(node).Right;

        public int Height(int node) => node == 0 ? 0 : tree.At(node).Height;

        public int Compare(int one, int other) => TOrder.Compare(tree.At(one).Item, tree.At(other).Item);

        public int With(int node, int left, int right)
        {
            Cost.Count(CostKind.Node);
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
            return node;
        }
    }
}
