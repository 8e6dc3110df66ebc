using Pando.Concurrency;
using Pando.Costs;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// A sparse array of 64-bit words in frames of RAM, as many to a frame as a table has entries, that grows in height with its highest index.
/// Look-ups and changes take no lock and no managed memory, so that faults may use it. A word is made on demand; the frame in which
/// it stands is given back when nobody holds a word there any more.
/// </summary>
/// <remarks>
/// <para>
/// Each node counts its holders, in <see cref="FrameRecord.AttachCount"/>: for an inner node its children, for a lowest one what its users
/// say: each word that is not zero is to have one holder, and so has each thread that is about to set one. With the last of them the
/// node is exchanged from zero to dead, so that who comes late makes another; it is taken out of its parent, by
/// whoever finds it dead first, and freed an epoch later.
/// </para>
/// <para>Who does anything here, and uses a cell, is inside an epoch; or is one who keeps all others away.</para>
/// </remarks>
internal sealed class FrameRadix(TableStore store)
{
    private const int HeightShift = 56;

    private readonly TableStore _store = store;

    // A node has as many words as a table has entries.
    private readonly int _bits = store.Geometry.IndexBits;
    private readonly int _mask = store.Geometry.EntriesBelowRoot - 1;

    // Height (levels of nodes) in the upper byte, the root's frame below; both change by one atomic step.
    private ulong _root;

    /// <summary>Where a word is: the frame and the index in it.</summary>
    public readonly record struct Cell(Frame Node, int Index)
    {
        public bool IsNone => Node.IsNone;
    }

    /// <summary>Deals with words one after the other. Implemented by structures, so that a walk allocates nothing.</summary>
    public interface IVisitor
    {
        /// <summary>Deals with one word.</summary>
        /// <param name="index">Its index.</param>
        /// <param name="cell">Where it is.</param>
        /// <param name="word">What it was a moment ago: not zero.</param>
        void Visit(long index, Cell cell, ulong word);
    }

    /// <summary>Finds a word that exists.</summary>
    public Cell Find(long index)
    {
        ulong root = Volatile.Read(ref _root);
        int height = HeightOf(root);
        if (height == 0 || (index >> (_bits * height)) != 0)
        {
            return default;
        }

        var node = NodeOf(root);
        for (int level = height - 1; level > 0; level--)
        {
            node = ChildOf(node, index, level);
            if (node.IsNone)
            {
                return default;
            }
        }

        return new Cell(node, SlotOf(index, 0));
    }

    /// <summary>Holds a word that has been found, until <see cref="Release"/>. False where its frame is being given back.</summary>
    public bool TryHold(Cell cell) => _store.TryAttach(cell.Node);

    /// <summary>Finds or makes a word, and holds it until <see cref="Release"/>. False where memory is out; then nothing has been made.</summary>
    public bool TryMake(long index, out Cell cell)
    {
        while (true)
        {
            ulong root = Volatile.Read(ref _root);
            int height = HeightOf(root);
            if (height == 0 || (index >> (_bits * height)) != 0)
            {
                if (!TryGrow(root, height, index))
                {
                    cell = default;
                    return false;
                }

                continue;
            }

            var node = NodeOf(root);
            int level = height - 1;
            while (level > 0)
            {
                var child = ChildOf(node, index, level);
                if (child.IsNone && !TryMakeChild(node, index, level, out child, out bool isDead))
                {
                    if (isDead)
                    {
                        break;
                    }

                    cell = default;
                    return false;
                }

                node = child;
                level--;
            }

            if (level == 0 && _store.TryAttach(node))
            {
                cell = new Cell(node, SlotOf(index, 0));
                return true;
            }

            // It has died; who finds it so takes it out and begins again.
            TakeOut(node, index, level);
        }
    }

    /// <summary>One holder of a word less. With the last in its frame the frame is given back.</summary>
    public void Release(long index, Cell cell) => Leave(cell.Node, index, 0);

    /// <summary>The word itself.</summary>
    public ref ulong At(Cell cell) => ref _store.Memory.EntryAt(cell.Node, cell.Index);

    /// <summary>Visits every word from <paramref name="first"/> to <paramref name="last"/> that is not zero.</summary>
    public void ForEach<TVisitor>(long first, long last, ref TVisitor visitor)
        where TVisitor : struct, IVisitor, allows ref struct
    {
        ulong root = Volatile.Read(ref _root);
        int height = HeightOf(root);
        if (height > 0 && first <= last)
        {
            Visit(NodeOf(root), height - 1, 0, first, last, ref visitor);
        }
    }

    /// <summary>Visits every word there is that is not zero; at rest.</summary>
    public void ForEach(Action<long, ulong> visit)
    {
        var visitor = new CallingVisitor(visit);
        ForEach(0, long.MaxValue, ref visitor);
    }

    /// <summary>Frames that the array itself takes.</summary>
    public int FrameCount
    {
        get
        {
            ulong root = Volatile.Read(ref _root);
            int height = (int)(root >> HeightShift);
            return height == 0 ? 0 : CountNodes(new Frame((int)root), height - 1);
        }
    }

    /// <summary>Gives the array's frames back. Nobody may use it any more.</summary>
    public void Free()
    {
        int height = (int)(_root >> HeightShift);
        if (height > 0)
        {
            FreeNode(new Frame((int)_root), height - 1);
            _root = 0;
        }
    }

    /// <summary>Forgets the array's frames: the memory in which they lay is gone.</summary>
    public void Abandon() => Volatile.Write(ref _root, 0);

    private int SlotOf(long index, int level) => (int)(index >> (_bits * level)) & _mask;

    private static int HeightOf(ulong root) => (int)(root >> HeightShift);

    private static Frame NodeOf(ulong root) => new((int)root);

    private Frame ChildOf(Frame node, long index, int level) =>
        new((int)Volatile.Read(ref _store.Memory.EntryAt(node, SlotOf(index, level))));

    private bool TryMakeChild(Frame node, long index, int level, out Frame child, out bool isDead)
    {
        child = Frame.None;
        isDead = !_store.TryAttach(node);
        if (isDead)
        {
            return false;
        }

        if (!_store.Frames.TryAllocate(FrameKind.FileIndex, out child))
        {
            // With it goes what was made on the way here.
            Leave(node, index, level);
            return false;
        }

        Schedule.Reach(SchedulePoint.EntryWrite, node.Word(SlotOf(index, level)));
        ulong seen = Interlocked.CompareExchange(ref _store.Memory.EntryAt(node, SlotOf(index, level)), (ulong)child.Number, 0);
        if (seen != 0)
        {
            _store.Frames.Free(child);
            child = new Frame((int)seen);
            Leave(node, index, level);
        }

        return true;
    }

    /// <summary>Makes the array higher, at once as high as the index demands where it is empty.</summary>
    private bool TryGrow(ulong root, int height, long index)
    {
        if (!_store.Frames.TryAllocate(FrameKind.FileIndex, out var top))
        {
            return false;
        }

        int grown = height + 1;
        while (height == 0 && (index >> (_bits * grown)) != 0)
        {
            grown++;
        }

        var old = NodeOf(root);
        if (height > 0)
        {
            _store.Memory.EntryAt(top, 0) = (ulong)old.Number;
            _store.Memory.Record(top).AttachCount = 1;
        }

        Schedule.Reach(SchedulePoint.EntryWrite);
        if (Interlocked.CompareExchange(ref _root, ((ulong)grown << HeightShift) | (uint)top.Number, root) != root)
        {
            _store.Frames.Free(top);
        }
        else if (height > 0 && _store.TryAttach(old))
        {
            // It may have been empty.
            Leave(old, 0, height - 1);
        }

        return true;
    }

    private void Leave(Frame node, long index, int level)
    {
        Schedule.Reach(SchedulePoint.AttachCount, node.Number);
        if (Interlocked.Decrement(ref _store.Memory.Record(node).AttachCount) == 0 && _store.TryKill(node))
        {
            TakeOut(node, index, level);
        }
    }

    /// <summary>Takes a dead node out of its parent, unless somebody else has. It is on the way to an index.</summary>
    private void TakeOut(Frame node, long index, int level)
    {
        while (true)
        {
            ulong root = Volatile.Read(ref _root);
            int height = HeightOf(root);
            if (height <= level)
            {
                return;
            }

            Schedule.Reach(SchedulePoint.EntryWrite);
            if (height == level + 1)
            {
                if (NodeOf(root) != node)
                {
                    return;
                }

                if (Interlocked.CompareExchange(ref _root, 0, root) != root)
                {
                    // The array has grown: now the node has a parent.
                    continue;
                }

                _store.Retire(node);
                return;
            }

            var parent = NodeOf(root);
            for (int at = height - 1; at > level + 1 && !parent.IsNone; at--)
            {
                parent = ChildOf(parent, index, at);
            }

            if (!parent.IsNone
                && Interlocked.CompareExchange(ref _store.Memory.EntryAt(parent, SlotOf(index, level + 1)), 0, (ulong)node.Number) == (ulong)node.Number)
            {
                _store.Retire(node);
                Leave(parent, index, level + 1);
            }

            return;
        }
    }

    /// <summary>
    /// Where a number of words of a range that are not zero ends: the index of the next one after as many. The caller is
    /// inside an epoch, or nobody changes the radix.
    /// </summary>
    /// <param name="first">The first index.</param>
    /// <param name="last">The last.</param>
    /// <param name="count">How many words.</param>
    /// <returns>The index, or -1 where there are no more words than that.</returns>
    public long IndexAfter(long first, long last, int count)
    {
        ulong root = Volatile.Read(ref _root);
        int height = HeightOf(root);
        return height > 0 && first <= last ? IndexAfter(NodeOf(root), height - 1, 0, first, last, ref count) : -1;
    }

    private long IndexAfter(Frame node, int level, long start, long first, long last, ref int count)
    {
        long step = 1L << (_bits * level);
        int to = (int)Math.Min(_mask, (last - start) >> (_bits * level));
        for (int i = (int)Math.Max(0, (first - start) >> (_bits * level)); i <= to; i++)
        {
            ulong word = Volatile.Read(ref _store.Memory.EntryAt(node, i));
            if (word == 0)
            {
                continue;
            }

            Cost.Count(CostKind.Node);
            long found = level > 0 ? IndexAfter(new Frame((int)word), level - 1, start + (i * step), first, last, ref count)
                : count-- == 0 ? start + i
                : -1;
            if (found >= 0)
            {
                return found;
            }
        }

        return -1;
    }

    private void Visit<TVisitor>(Frame node, int level, long start, long first, long last, ref TVisitor visitor)
        where TVisitor : struct, IVisitor, allows ref struct
    {
        long step = 1L << (_bits * level);
        int from = (int)Math.Max(0, (first - start) >> (_bits * level));
        int to = (int)Math.Min(_mask, (last - start) >> (_bits * level));
        for (int i = from; i <= to; i++)
        {
            ulong word = Volatile.Read(ref _store.Memory.EntryAt(node, i));
            if (word == 0)
            {
                continue;
            }

            Cost.Count(CostKind.Node);
            if (level == 0)
            {
                visitor.Visit(start + i, new Cell(node, i), word);
            }
            else
            {
                Visit(new Frame((int)word), level - 1, start + (i * step), first, last, ref visitor);
            }
        }
    }

    private int CountNodes(Frame node, int level)
    {
        int count = 1;
        if (level > 0)
        {
            foreach (ulong word in _store.Memory.TableEntries(node))
            {
                count += word == 0 ? 0 : CountNodes(new Frame((int)word), level - 1);
            }
        }

        return count;
    }

    private void FreeNode(Frame node, int level)
    {
        if (level > 0)
        {
            foreach (ulong word in _store.Memory.TableEntries(node))
            {
                if (word != 0)
                {
                    FreeNode(new Frame((int)word), level - 1);
                }
            }
        }

        _store.Frames.Free(node);
    }

    private readonly struct CallingVisitor(Action<long, ulong> visit) : IVisitor
    {
        public void Visit(long index, Cell cell, ulong word) => visit(index, word);
    }
}
