using System.Runtime.CompilerServices;
using Pando.Concurrency;
using Pando.Costs;
using Pando.Hardware;
using Pando.Intervals;

namespace Pando.Tables;

/// <summary>
/// Which tables of spaces may have leaves that show a part of one file: found by file offset, so that a change of the file
/// costs by the file's own tables and by what has diverged from them there, not by processes nor by what has diverged elsewhere.
/// </summary>
/// <remarks>
/// <para>
/// A part stands here before the first leaf of it is put into the table, and goes when the table is freed or the part is
/// unmapped: after the flush. A leaf is put in only if the file's sequence has not moved since before its part came here, so that a
/// change of the file finds the part or makes the leaf's fault begin again.
/// </para>
/// <para>
/// Parts of tables of each level stand by themselves, in order of their first offset. Who changes a range goes through the higher levels
/// first, so that he meets a large leaf, or else all of the small ones into which it is being split.
/// </para>
/// </remarks>
internal sealed class ReverseMap
{
    private readonly NativeArray<Part> _parts = new();
    private readonly SleepLock _moves = new(LockRank.Moves);

    // Protects what follows and the links of the trees: a root for each level, and a list of parts that are free, by index plus one.
    private int _lock;
    private Roots _roots;
    private int _free;
    private int _count;

    /// <summary>Parts that stand here.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>
    /// Until the scope ends no private page of the file goes from one table to another: whoever moves some holds this, and whoever
    /// changes all of a range.
    /// </summary>
    public SleepLock.Scope Hold() => _moves.Hold();

    /// <summary>A part by its number. What it is does not change while its table's lock, or its space's lock for writing, is held.</summary>
    public ref readonly Part this[int number] => ref At(number);

    /// <summary>Adds a part of a table that overlaps no other of the same table at the same place. Under the table's lock.</summary>
    /// <param name="key">Where it begins.</param>
    /// <param name="end">The first file offset past it.</param>
    /// <param name="next">The next part of the table.</param>
    /// <returns>The part's number.</returns>
    public int Add(in PartKey key, long end, PartLink next)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.ReverseMap);
        return Insert(key, end, next);
    }

    /// <summary>Takes a part out.</summary>
    public void Remove(int number)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.ReverseMap);
        TakeOut(number);
        Free(number);
    }

    /// <summary>
    /// Cuts offsets out of a part, of which something stays, in one step: who goes through the parts meanwhile misses nothing
    /// of what stays. Under the table's lock.
    /// </summary>
    /// <returns>Where something stays on both sides, the number of that behind the cut, with the same part next; else 0.</returns>
    public int Cut(int number, long start, long end)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.ReverseMap);

        // Memory first: what has been taken out comes back.
        _parts.Reserve(1);
        ref var part = ref At(number);
        var key = part.Key;
        long partEnd = part.End;
        TakeOut(number);
        if (start <= key.Start)
        {
            part.Key = key with { Start = end };
            PutIn(number);
            return 0;
        }

        part.End = start;
        PutIn(number);
        return end < partEnd ? Insert(key with { Start = end }, partEnd, part.Next) : 0;
    }

    /// <summary>Changes what follows a part in the list of its table. Under the table's lock.</summary>
    public void Link(int number, PartLink next) => At(number).Next = next;

    /// <summary>Finds the first part of the same level behind a place that has something of a range of the file. Inside an epoch, which keeps its table.</summary>
    public bool TryGetNext(in PartKey after, long start, long end, out PartKey key)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.ReverseMap);
        int found = Next(_roots[after.Level], after, start, end);
        key = found == 0 ? default : At(found).Key;
        return found != 0;
    }

    /// <summary>The end of a part, if it is there. It does not change while the lock of its table is held.</summary>
    public bool TryGetEnd(in PartKey key, out long end)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.ReverseMap);
        end = 0;
        for (int node = _roots[key.Level]; node != 0;)
        {
            Cost.Count(CostKind.Node);
            ref var part = ref At(node);
            int order = key.CompareTo(part.Key);
            if (order == 0)
            {
                end = part.End;
                return true;
            }

            node = order < 0 ? part.Left : part.Right;
        }

        return false;
    }

    private int Insert(in PartKey key, long end, PartLink next)
    {
        int number = _free;
        if (number != 0)
        {
            _free = At(number).Left;
        }
        else
        {
            number = _parts.Add() + 1;
        }

        ref var part = ref At(number);
        part.Key = key;
        part.End = end;
        part.Next = next;
        PutIn(number);
        return number;
    }

    private void PutIn(int number)
    {
        ref int root = ref _roots[At(number).Key.Level];
        root = BalancedTree<int, Nodes>.Insert(new Nodes(this), root, number);
        _count++;
    }

    private void TakeOut(int number)
    {
        ref int root = ref _roots[At(number).Key.Level];
        root = BalancedTree<int, Nodes>.Remove(new Nodes(this), root, number);
        _count--;
    }

    private void Free(int number)
    {
        At(number).Left = _free;
        _free = number;
    }

    private int Next(int node, in PartKey after, long start, long end)
    {
        while (node != 0)
        {
            Cost.Count(CostKind.Node);
            ref var part = ref At(node);
            if (part.LastEnd <= start)
            {
                return 0;
            }

            if (part.Key.CompareTo(after) > 0)
            {
                int found = Next(part.Left, after, start, end);
                if (found != 0)
                {
                    return found;
                }

                if (part.Key.Start < end && part.End > start)
                {
                    return node;
                }
            }

            if (part.Key.Start >= end)
            {
                return 0;
            }

            node = part.Right;
        }

        return 0;
    }

    private ref Part At(int number) => ref _parts[number - 1];

    /// <summary>A part of the file that one table may show.</summary>
    public struct Part
    {
        /// <summary>Which table, and from where on.</summary>
        public PartKey Key;

        /// <summary>The first file offset past it.</summary>
        public long End;

        /// <summary>The next part of the table.</summary>
        public PartLink Next;

        // The largest end in the part's subtree.
        internal long LastEnd;
        internal int Left;
        internal int Right;
        internal int Height;
    }

    [InlineArray(Level.Pgd + 1)]
    private struct Roots
    {
        private int _first;
    }

    private readonly struct Nodes(ReverseMap map) : ITreeNodes<int>
    {
        public bool IsNone(int node) => node == 0;

        public int Open(int node) => node;

        public int Left(int node) => map.At(node).Left;

        public int Right(int node) => map.At(node).Right;

        public int Height(int node) => node == 0 ? 0 : map.At(node).Height;

        public int Compare(int one, int other) => map.At(one).Key.CompareTo(map.At(other).Key);

        public int With(int node, int left, int right)
        {
            Cost.Count(CostKind.Node);
            ref var part = ref map.At(node);
            part.Left = left;
            part.Right = right;
            part.Height = 1 + Math.Max(Height(left), Height(right));
            part.LastEnd = Math.Max(part.End, Math.Max(LastEnd(left), LastEnd(right)));
            return node;
        }

        private long LastEnd(int node) => node == 0 ? long.MinValue : map.At(node).LastEnd;
    }
}
