using System.Diagnostics;
using System.Numerics;
using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// Which parts of a file have been written since they were last written back: a mark for each 2 MiB that is written
/// through one leaf, and a mark for each 4 KiB elsewhere. Marking takes no lock and no managed memory; a file of
/// 6 TiB that is written through large leaves takes 0.4 MiB of marks.
/// </summary>
internal sealed class DirtySet(TableStore store)
{
    private readonly Marks _blocks = new(store, store.Geometry.EntryShift(Level.Pmd));
    private readonly Marks _pages = new(store, store.Geometry.PageShift);
    private readonly TableGeometry _geometry = store.Geometry;
    private readonly Epochs _epochs = store.Epochs;
    private readonly TakenMarks.Store _taken = new();

    /// <summary>Bytes that are marked. Exact at rest, but for pages that were marked beside their 2 MiB at the same moment.</summary>
    public long Bytes => _blocks.Bytes + _pages.Bytes;

    /// <summary>Whether a mark may stand for more than has storage, because memory was out when it should have been cut.</summary>
    public bool IsCoarse { get; private set; }

    /// <summary>Frames that the set takes.</summary>
    public int FrameCount => _blocks.FrameCount + _pages.FrameCount;

    /// <summary>Marks a range of whole pages. False where memory is out; then some of it may be marked.</summary>
    public bool TryMark(long offset, long length)
    {
        using var epoch = _epochs.Enter();
        return TryMarkIn(offset, length);
    }

    private bool TryMarkIn(long offset, long length)
    {
        long block = _geometry.EntrySpan(Level.Pmd);
        long firstWhole = (offset + block - 1) & -block;
        long endWhole = (offset + length) & -block;
        if (firstWhole >= endWhole)
        {
            return _blocks.Has(offset) || _pages.TryMark(offset, length);
        }

        if (!_blocks.TryMark(firstWhole, endWhole - firstWhole))
        {
            return false;
        }

        // What has one mark as a whole needs none in its parts.
        _pages.Forget(firstWhole, endWhole);
        return (offset == firstWhole || _pages.TryMark(offset, firstWhole - offset))
            && (offset + length == endWhole || _pages.TryMark(endWhole, offset + length - endWhole));
    }

    /// <summary>
    /// Takes the marks away that have something of a range, until what they stood for is durable: as on Linux, a mark of
    /// 2 MiB is taken as a whole even where the range has only a part of it. The places of what is taken are kept.
    /// </summary>
    public TakenMarks Take(long start, long end)
    {
        // One at a time is the rule, since write-backs of a file wait for each other.
        var store = _taken.IsUsed ? new TakenMarks.Store() : _taken;
        using var epoch = _epochs.Enter();
        var taken = new TakenMarks(this, store);
        try
        {
            _blocks.Take(start, end, store.Blocks);
            _pages.Take(start, end, store.Pages);
            _blocks.Append(store.Ranges, store.Blocks);
            _pages.Append(store.Ranges, store.Pages);
            store.Ranges.Sort();
        }
        catch
        {
            taken.Dispose();
            throw;
        }

        return taken;
    }

    /// <summary>Ends what <see cref="Take"/> began. Needs no memory.</summary>
    /// <param name="blocks">Marks of 2 MiB that were taken.</param>
    /// <param name="pages">Marks of 4 KiB.</param>
    /// <param name="comeBack">Whether they come back.</param>
    internal void End(List<Bits> blocks, List<Bits> pages, bool comeBack)
    {
        using var epoch = _epochs.Enter();
        _blocks.End(blocks, comeBack);
        _pages.End(pages, comeBack);
    }

    /// <summary>
    /// Forgets the marks of a range of whole pages that has lost its storage. A mark of 2 MiB that reaches further becomes
    /// marks of the pages beside the range; where there is no memory for them it stays.
    /// </summary>
    public void Forget(long start, long end)
    {
        using var epoch = _epochs.Enter();
        long block = _geometry.EntrySpan(Level.Pmd);
        long first = start & -block;
        long last = (end - 1) & -block;
        CutBlock(first, start, end);
        if (last != first)
        {
            CutBlock(last, start, end);
            _blocks.Forget(first + block, last);
        }

        _pages.Forget(start, end);
    }

    /// <summary>The marks now, in order; for the auditor.</summary>
    internal IEnumerable<(long Offset, long Length)> Marked() => _blocks.Marked().Concat(_pages.Marked());

    private void CutBlock(long block, long start, long end)
    {
        long blockEnd = block + _geometry.EntrySpan(Level.Pmd);
        if (!_blocks.Has(block))
        {
            return;
        }

        // The pages first: who marks a page meanwhile may find the block's mark and leave it at that.
        if ((start <= block || _pages.TryMark(block, start - block)) && (end >= blockEnd || _pages.TryMark(end, blockEnd - end)))
        {
            _blocks.Forget(block, blockEnd);
        }
        else
        {
            IsCoarse = true;
        }
    }

    /// <summary>Gives the set's frames back.</summary>
    public void Free()
    {
        _blocks.Free();
        _pages.Free();
    }

    /// <summary>Forgets the set's frames: the memory in which they lay is gone.</summary>
    public void Abandon()
    {
        _blocks.Abandon();
        _pages.Abandon();
    }

    /// <summary>Bits of one word.</summary>
    internal readonly record struct Bits(long Word, ulong Mask);

    /// <summary>
    /// One bit for each piece of a size. A word that is not zero holds its place; so does who sets bits in it, and who has taken
    /// some and may put them back. All but what is for the auditor is called inside an epoch.
    /// </summary>
    private sealed class Marks(TableStore store, int shift)
    {
        private const int BitsInWord = 64;

        private readonly FrameRadix _words = new(store);
        private long _count;

        public long Bytes => Volatile.Read(ref _count) << shift;

        public int FrameCount => _words.FrameCount;

        public bool Has(long offset)
        {
            long piece = offset >> shift;
            var cell = _words.Find(piece / BitsInWord);
            Schedule.Reach(SchedulePoint.SharedWord);
            return !cell.IsNone && (Volatile.Read(ref _words.At(cell)) & (1UL << (int)(piece % BitsInWord))) != 0;
        }

        public bool TryMark(long offset, long length)
        {
            long first = offset >> shift;
            long end = (offset + length) >> shift;
            while (first < end)
            {
                int bit = (int)(first % BitsInWord);
                int count = (int)Math.Min(BitsInWord - bit, end - first);
                if (!_words.TryMake(first / BitsInWord, out var cell))
                {
                    return false;
                }

                Set(new Bits(first / BitsInWord, (count == BitsInWord ? ulong.MaxValue : (1UL << count) - 1) << bit), cell);
                first += count;
            }

            return true;
        }

        /// <summary>Takes the marks of a range away; the place of each word that had some is held once for it.</summary>
        public void Take(long start, long end, List<Bits> taken) => Visit(start, end, taken);

        /// <summary>Takes the marks of a range away for good.</summary>
        public void Forget(long start, long end) => Visit(start, end, taken: null);

        /// <summary>Ends the holding of what was taken, and sets it again where it comes back.</summary>
        public void End(List<Bits> taken, bool comeBack)
        {
            foreach (var bits in taken)
            {
                var cell = _words.Find(bits.Word);
                Debug.Assert(!cell.IsNone, "Its place is held.");
                if (comeBack)
                {
                    Set(bits, cell);
                }
                else
                {
                    _words.Release(bits.Word, cell);
                }
            }
        }

        public List<(long Offset, long Length)> Marked()
        {
            var ranges = new List<(long Offset, long Length)>();
            _words.ForEach((index, word) => Append(ranges, new Bits(index, word)));
            return ranges;
        }

        public void Append(List<(long Offset, long Length)> ranges, List<Bits> words)
        {
            foreach (var bits in words)
            {
                Append(ranges, bits);
            }
        }

        public void Free() => _words.Free();

        public void Abandon() => _words.Abandon();

        /// <summary>Sets bits in a word that the caller holds: with the first the holding becomes the word's.</summary>
        private void Set(Bits bits, FrameRadix.Cell cell)
        {
            Schedule.Reach(SchedulePoint.SharedWord);
            ulong before = Interlocked.Or(ref _words.At(cell), bits.Mask);
            Interlocked.Add(ref _count, BitOperations.PopCount(bits.Mask & ~before));
            if (before != 0)
            {
                _words.Release(bits.Word, cell);
            }
        }

        private void Visit(long start, long end, List<Bits>? taken)
        {
            long first = start >> shift;
            long last = ((end + (1L << shift) - 1) >> shift) - 1;
            var clear = new ClearVisitor(this, first, last, taken);
            _words.ForEach(first / BitsInWord, last / BitsInWord, ref clear);
        }

        private void Append(List<(long Offset, long Length)> ranges, Bits bits)
        {
            for (ulong rest = bits.Mask; rest != 0;)
            {
                int bit = BitOperations.TrailingZeroCount(rest);
                int run = BitOperations.TrailingZeroCount(~(rest >> bit));
                long offset = ((bits.Word * BitsInWord) + bit) << shift;
                long length = (long)run << shift;
                if (ranges.Count > 0 && ranges[^1].Offset + ranges[^1].Length == offset)
                {
                    ranges[^1] = (ranges[^1].Offset, ranges[^1].Length + length);
                }
                else
                {
                    ranges.Add((offset, length));
                }

                rest &= run == BitsInWord ? 0 : ~(((1UL << run) - 1) << bit);
            }
        }

        private readonly struct ClearVisitor(Marks marks, long first, long last, List<Bits>? taken) : FrameRadix.IVisitor
        {
            public void Visit(long index, FrameRadix.Cell cell, ulong word)
            {
                long firstOfWord = index * BitsInWord;
                int from = (int)Math.Max(0, first - firstOfWord);
                int to = (int)Math.Min(BitsInWord - 1, last - firstOfWord);
                ulong mask = (ulong.MaxValue << from) & (ulong.MaxValue >> (BitsInWord - 1 - to));

                // Somebody else may have taken the last bit of the frame.
                if (!marks._words.TryHold(cell))
                {
                    return;
                }

                // Room first: what was taken must be in the list.
                taken?.EnsureCapacity(taken.Count + 1);
                Schedule.Reach(SchedulePoint.SharedWord);
                ulong before = Interlocked.And(ref marks._words.At(cell), ~mask);
                ulong gone = before & mask;
                Interlocked.Add(ref marks._count, -BitOperations.PopCount(gone));
                if (gone != 0 && gone == before)
                {
                    // The word itself holds its place no more.
                    marks._words.Release(index, cell);
                }

                if (gone != 0 && taken is not null)
                {
                    taken.Add(new Bits(index, gone));
                }
                else
                {
                    marks._words.Release(index, cell);
                }
            }
        }
    }
}
