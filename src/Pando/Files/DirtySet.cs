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
    private readonly Marks _blocks = new(store, Level.EntryShift(Level.Pmd));
    private readonly Marks _pages = new(store, Level.PageShift);

    /// <summary>Bytes that are marked. Exact at rest, but for pages that were marked beside their 2 MiB at the same moment.</summary>
    public long Bytes => _blocks.Bytes + _pages.Bytes;

    /// <summary>Whether a mark may stand for more than has storage, because memory was out when it should have been cut.</summary>
    public bool IsCoarse { get; private set; }

    /// <summary>Frames that the set takes.</summary>
    public int FrameCount => _blocks.FrameCount + _pages.FrameCount;

    /// <summary>Marks a range of whole pages. False where memory is out; then some of it may be marked.</summary>
    public bool TryMark(long offset, long length)
    {
        long block = Level.EntrySpan(Level.Pmd);
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
        _pages.Take(firstWhole, endWhole);
        return (offset == firstWhole || _pages.TryMark(offset, firstWhole - offset))
            && (offset + length == endWhole || _pages.TryMark(endWhole, offset + length - endWhole));
    }

    /// <summary>
    /// Takes the marks away that have something of a range, until what they stood for is durable: as on Linux, a mark of
    /// 2 MiB is taken as a whole even where the range has only a part of it.
    /// </summary>
    public TakenMarks Take(long start, long end) => new(this, _blocks.Take(start, end), _pages.Take(start, end));

    /// <summary>
    /// Puts marks back that were taken. Needs no memory: words that have had a mark stay until <see cref="Free"/>.
    /// </summary>
    internal void PutBack(List<(long Offset, long Length)> blocks, List<(long Offset, long Length)> pages)
    {
        _blocks.PutBack(blocks);
        _pages.PutBack(pages);
    }

    /// <summary>
    /// Forgets the marks of a range of whole pages that has lost its storage. A mark of 2 MiB that reaches further becomes
    /// marks of the pages beside the range; where there is no memory for them it stays.
    /// </summary>
    public void Forget(long start, long end)
    {
        long block = Level.EntrySpan(Level.Pmd);
        long first = start & -block;
        long last = (end - 1) & -block;
        CutBlock(first, start, end);
        if (last != first)
        {
            CutBlock(last, start, end);
            _blocks.Take(first + block, last);
        }

        _pages.Take(start, end);
    }

    /// <summary>The marks now, in order; for the auditor.</summary>
    internal IEnumerable<(long Offset, long Length)> Marked() => _blocks.Marked().Concat(_pages.Marked());

    private void CutBlock(long block, long start, long end)
    {
        long blockEnd = block + Level.EntrySpan(Level.Pmd);
        if (!_blocks.Has(block))
        {
            return;
        }

        // The pages first: who marks a page meanwhile may find the block's mark and leave it at that.
        if ((start <= block || _pages.TryMark(block, start - block)) && (end >= blockEnd || _pages.TryMark(end, blockEnd - end)))
        {
            _blocks.Take(block, blockEnd);
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

    /// <summary>One bit for each piece of a size.</summary>
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

                ulong mask = (count == BitsInWord ? ulong.MaxValue : (1UL << count) - 1) << bit;
                Schedule.Reach(SchedulePoint.SharedWord);
                ulong before = Interlocked.Or(ref _words.At(cell), mask);
                Interlocked.Add(ref _count, BitOperations.PopCount(mask & ~before));
                first += count;
            }

            return true;
        }

        public List<(long Offset, long Length)> Take(long start, long end)
        {
            var ranges = new List<(long Offset, long Length)>();
            long first = start >> shift;
            long last = ((end + (1L << shift) - 1) >> shift) - 1;
            _words.ForEach(first / BitsInWord, last / BitsInWord, (index, _) =>
            {
                long firstOfWord = index * BitsInWord;
                int from = (int)Math.Max(0, first - firstOfWord);
                int to = (int)Math.Min(BitsInWord - 1, last - firstOfWord);
                ulong mask = (ulong.MaxValue << from) & (ulong.MaxValue >> (BitsInWord - 1 - to));
                Schedule.Reach(SchedulePoint.SharedWord);
                ulong taken = Interlocked.And(ref _words.At(_words.Find(index)), ~mask) & mask;
                Interlocked.Add(ref _count, -BitOperations.PopCount(taken));
                while (taken != 0)
                {
                    int bit = BitOperations.TrailingZeroCount(taken);
                    int run = BitOperations.TrailingZeroCount(~(taken >> bit));
                    Append(ranges, (firstOfWord + bit) << shift, (long)run << shift);
                    taken &= run == BitsInWord ? 0 : ~(((1UL << run) - 1) << bit);
                }
            });
            return ranges;
        }

        public void PutBack(List<(long Offset, long Length)> ranges)
        {
            foreach (var (offset, length) in ranges)
            {
                bool put = TryMark(offset, length);
                Debug.Assert(put, "The words are there.");
            }
        }

        public List<(long Offset, long Length)> Marked()
        {
            var ranges = new List<(long Offset, long Length)>();
            _words.ForEach(0, long.MaxValue >> (shift + 6), (index, word) =>
            {
                for (; word != 0; word &= word - 1)
                {
                    Append(ranges, ((index * BitsInWord) + BitOperations.TrailingZeroCount(word)) << shift, 1L << shift);
                }
            });
            return ranges;
        }

        public void Free() => _words.Free();

        public void Abandon() => _words.Abandon();

        private static void Append(List<(long Offset, long Length)> ranges, long offset, long length)
        {
            if (ranges.Count > 0 && ranges[^1].Offset + ranges[^1].Length == offset)
            {
                ranges[^1] = (ranges[^1].Offset, ranges[^1].Length + length);
            }
            else
            {
                ranges.Add((offset, length));
            }
        }
    }
}
