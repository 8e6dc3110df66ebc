using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// A sparse array of 64-bit words in frames of RAM, 512 to a frame, that grows in height with its highest index.
/// Look-ups take no lock; a word is made on demand and then stays. It holds no managed memory, so that faults may
/// use it.
/// </summary>
internal sealed class FrameRadix(TableStore store)
{
    private const int HeightShift = 56;

    private readonly TableStore _store = store;

    // Height (levels of nodes) in the upper byte, the root's frame below; both change by one atomic step.
    private ulong _root;

    /// <summary>Where a word is: the frame and the index in it.</summary>
    public readonly record struct Cell(Frame Node, int Index)
    {
        public bool IsNone => Node.IsNone;
    }

    /// <summary>Finds a word that exists.</summary>
    public Cell Find(long index)
    {
        ulong root = Volatile.Read(ref _root);
        int height = (int)(root >> HeightShift);
        if (height == 0 || (index >> (9 * height)) != 0)
        {
            return default;
        }

        var node = new Frame((int)root);
        for (int level = height - 1; level > 0; level--)
        {
            node = new Frame((int)Volatile.Read(ref _store.Memory.EntryAt(node, SlotOf(index, level))));
            if (node.IsNone)
            {
                return default;
            }
        }

        return new Cell(node, SlotOf(index, 0));
    }

    /// <summary>Finds or makes a word. False where memory is out.</summary>
    public bool TryMake(long index, out Cell cell)
    {
        while (true)
        {
            ulong root = Volatile.Read(ref _root);
            int height = (int)(root >> HeightShift);
            if (height == 0 || (index >> (9 * height)) != 0)
            {
                if (!TryGrow(root, height))
                {
                    cell = default;
                    return false;
                }

                continue;
            }

            var node = new Frame((int)root);
            for (int level = height - 1; level > 0; level--)
            {
                ref ulong slot = ref _store.Memory.EntryAt(node, SlotOf(index, level));
                var child = new Frame((int)Volatile.Read(ref slot));
                if (child.IsNone)
                {
                    if (!_store.Frames.TryAllocate(FrameKind.FileIndex, out child))
                    {
                        cell = default;
                        return false;
                    }

                    Schedule.Reach(SchedulePoint.EntryWrite);
                    ulong seen = Interlocked.CompareExchange(ref slot, (ulong)child.Number, 0);
                    if (seen != 0)
                    {
                        _store.Frames.Free(child);
                        child = new Frame((int)seen);
                    }
                }

                node = child;
            }

            cell = new Cell(node, SlotOf(index, 0));
            return true;
        }
    }

    /// <summary>The word itself.</summary>
    public ref ulong At(Cell cell) => ref _store.Memory.EntryAt(cell.Node, cell.Index);

    /// <summary>Calls <paramref name="visit"/> for every word from <paramref name="first"/> to <paramref name="last"/> that is not zero.</summary>
    public void ForEach(long first, long last, Action<long, ulong> visit)
    {
        ulong root = Volatile.Read(ref _root);
        int height = (int)(root >> HeightShift);
        if (height > 0 && first <= last)
        {
            Visit(new Frame((int)root), height - 1, 0, first, last, visit);
        }
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

    private static int SlotOf(long index, int level) => (int)(index >> (9 * level)) & (Level.Entries - 1);

    private bool TryGrow(ulong root, int height)
    {
        if (!_store.Frames.TryAllocate(FrameKind.FileIndex, out var top))
        {
            return false;
        }

        if (height > 0)
        {
            _store.Memory.EntryAt(top, 0) = root & ((1UL << HeightShift) - 1);
        }

        ulong grown = ((ulong)(height + 1) << HeightShift) | (uint)top.Number;
        Schedule.Reach(SchedulePoint.EntryWrite);
        if (Interlocked.CompareExchange(ref _root, grown, root) != root)
        {
            _store.Frames.Free(top);
        }

        return true;
    }

    private void Visit(Frame node, int level, long start, long first, long last, Action<long, ulong> visit)
    {
        long step = 1L << (9 * level);
        int from = (int)Math.Max(0, (first - start) >> (9 * level));
        int to = (int)Math.Min(Level.Entries - 1, (last - start) >> (9 * level));
        for (int i = from; i <= to; i++)
        {
            ulong word = Volatile.Read(ref _store.Memory.EntryAt(node, i));
            if (word == 0)
            {
                continue;
            }

            if (level == 0)
            {
                visit(start + i, word);
            }
            else
            {
                Visit(new Frame((int)word), level - 1, start + (i * step), first, last, visit);
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
}
