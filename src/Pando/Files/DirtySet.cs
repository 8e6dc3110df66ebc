using System.Numerics;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// Which pages of a file have been written since they were last written back: a bit for each 4 KiB. Marking takes no
/// lock and no managed memory.
/// </summary>
internal sealed class DirtySet(TableStore store)
{
    private const int PageShift = 12;
    private const int PagesInWord = 64;

    private readonly FrameRadix _words = new(store);
    private long _pages;

    /// <summary>Bytes that are marked. Exact at rest.</summary>
    public long Bytes => Volatile.Read(ref _pages) << PageShift;

    /// <summary>Frames that the set takes.</summary>
    public int FrameCount => _words.FrameCount;

    /// <summary>Marks a range of whole pages. False where memory is out; then some of it may be marked.</summary>
    public bool TryMark(long offset, long length)
    {
        long first = offset >> PageShift;
        long end = (offset + length) >> PageShift;
        while (first < end)
        {
            int bit = (int)(first % PagesInWord);
            int count = (int)Math.Min(PagesInWord - bit, end - first);
            if (!_words.TryMake(first / PagesInWord, out var cell))
            {
                return false;
            }

            ulong mask = (count == PagesInWord ? ulong.MaxValue : (1UL << count) - 1) << bit;
            ulong before = Interlocked.Or(ref _words.At(cell), mask);
            Interlocked.Add(ref _pages, BitOperations.PopCount(mask & ~before));
            first += count;
        }

        return true;
    }

    /// <summary>Takes the marks of a range of whole pages away and tells where they were.</summary>
    public List<(long Offset, long Length)> Take(long start, long end)
    {
        var ranges = new List<(long Offset, long Length)>();
        long first = start >> PageShift;
        long last = ((end + (1L << PageShift) - 1) >> PageShift) - 1;
        _words.ForEach(first / PagesInWord, last / PagesInWord, (index, _) =>
        {
            long pageOfWord = index * PagesInWord;
            int from = (int)Math.Max(0, first - pageOfWord);
            int to = (int)Math.Min(PagesInWord - 1, last - pageOfWord);
            ulong mask = (ulong.MaxValue << from) & (ulong.MaxValue >> (PagesInWord - 1 - to));
            ulong taken = Interlocked.And(ref _words.At(_words.Find(index)), ~mask) & mask;
            Interlocked.Add(ref _pages, -BitOperations.PopCount(taken));
            while (taken != 0)
            {
                int bit = BitOperations.TrailingZeroCount(taken);
                int run = BitOperations.TrailingZeroCount(~(taken >> bit));
                Append(ranges, (pageOfWord + bit) << PageShift, (long)run << PageShift);
                taken &= run == PagesInWord ? 0 : ~(((1UL << run) - 1) << bit);
            }
        });
        return ranges;
    }

    /// <summary>Gives the set's frames back.</summary>
    public void Free() => _words.Free();

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
