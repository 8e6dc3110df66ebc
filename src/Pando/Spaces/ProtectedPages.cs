using System.Numerics;
using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <summary>
/// The pages of a space whose stores go to a user-fault handler (UFFDIO_WRITEPROTECT): one bit for each. It is the one place that
/// says so. A leaf of a protected page lacks the right to store, and may be split, dropped, copied and brought back by a fault at any
/// time without that being forgotten.
/// </summary>
/// <remarks>
/// Protected by the space's lock: held for writing by those who change it, for reading by those who ask. The bits stand in frames of
/// the machine's RAM: 4 KiB of them for 128 MiB that are protected. A frame is there as long as it has bits. Taking bits away needs no
/// memory.
/// </remarks>
internal sealed class ProtectedPages(TableStore store)
{
    private const int BitsInWord = 64;

    private readonly FrameRadix _words = new(store);
    private readonly int _pageShift = store.Geometry.PageShift;
    private long _count;

    /// <summary>Whether no page is protected.</summary>
    public bool IsEmpty => _count == 0;

    /// <summary>How many pages are protected.</summary>
    public long Count => _count;

    /// <summary>Frames that the bits take.</summary>
    public int FrameCount => _words.FrameCount;

    /// <summary>Whether the page of an address is protected.</summary>
    public bool Has(VirtualAddress address)
    {
        if (_count == 0)
        {
            return false;
        }

        long page = NumberOf(address);
        var cell = _words.Find(page / BitsInWord);
        return !cell.IsNone && (_words.At(cell) & (1UL << (int)(page % BitsInWord))) != 0;
    }

    /// <summary>How many pages of a range are protected. It looks at one word for 64 pages.</summary>
    public long CountIn(AddressRange range)
    {
        long found = 0;
        for (long first = NumberOf(range.Start), end = NumberOf(range.End); _count > 0 && first < end;)
        {
            var (count, mask) = Next(first, end);
            var cell = _words.Find(first / BitsInWord);
            found += cell.IsNone ? 0 : BitOperations.PopCount(_words.At(cell) & mask);
            first += count;
        }

        return found;
    }

    /// <summary>
    /// Makes room for the bits of a range, so that <see cref="Add"/> cannot fail; it is followed by that, or by
    /// <see cref="GiveRoomBack"/>. False where memory is out: then there is no room.
    /// </summary>
    public bool TryMakeRoom(AddressRange range)
    {
        using var epoch = store.Epochs.Enter();
        long start = NumberOf(range.Start);
        for (long first = start, end = NumberOf(range.End); first < end; first += Next(first, end).Count)
        {
            if (!_words.TryMake(first / BitsInWord, out _))
            {
                Release(start, first);
                return false;
            }
        }

        return true;
    }

    /// <summary>Gives room back that was made for a range and is not used.</summary>
    public void GiveRoomBack(AddressRange range)
    {
        using var epoch = store.Epochs.Enter();
        Release(NumberOf(range.Start), NumberOf(range.End));
    }

    private void Release(long first, long end)
    {
        for (; first < end; first += Next(first, end).Count)
        {
            _words.Release(first / BitsInWord, _words.Find(first / BitsInWord));
        }
    }

    /// <summary>Protects all pages of a range. Room has been made.</summary>
    public void Add(AddressRange range)
    {
        using var epoch = store.Epochs.Enter();
        for (long first = NumberOf(range.Start), end = NumberOf(range.End); first < end;)
        {
            var (count, mask) = Next(first, end);
            var cell = _words.Find(first / BitsInWord);
            ref ulong word = ref _words.At(cell);
            _count += BitOperations.PopCount(mask & ~word);
            bool isHeld = word != 0;
            word |= mask;
            if (isHeld)
            {
                // A word with bits has one holder.
                _words.Release(first / BitsInWord, cell);
            }

            first += count;
        }
    }

    /// <summary>Stops the protection of a range. Frames in which no bit is left are given back.</summary>
    public void Remove(AddressRange range)
    {
        if (_count == 0 || range.IsEmpty)
        {
            return;
        }

        using var epoch = store.Epochs.Enter();
        long first = NumberOf(range.Start);
        long end = NumberOf(range.End);
        var take = new TakeVisitor(this, first, end);
        _words.ForEach(first / BitsInWord, (end - 1) / BitsInWord, ref take);
    }

    /// <summary>Gives everything back: the space has ended.</summary>
    public void Clear()
    {
        _count = 0;
        _words.Free();
    }

    /// <summary>Calls <paramref name="visit"/> for every protected page, in order.</summary>
    public void ForEach(Action<VirtualAddress> visit) => _words.ForEach((index, word) =>
    {
        for (; word != 0; word &= word - 1)
        {
            visit(new VirtualAddress((ulong)((index * BitsInWord) + BitOperations.TrailingZeroCount(word)) << _pageShift));
        }
    });

    private long NumberOf(VirtualAddress address) => (long)(address.Value >> _pageShift);

    /// <summary>The pages of a range that have their bits in the word of the first of them.</summary>
    private static (int Count, ulong Mask) Next(long first, long end)
    {
        int bit = (int)(first % BitsInWord);
        int count = (int)Math.Min(BitsInWord - bit, end - first);
        return (count, (count == BitsInWord ? ulong.MaxValue : (1UL << count) - 1) << bit);
    }

    private readonly struct TakeVisitor(ProtectedPages pages, long first, long end) : FrameRadix.IVisitor
    {
        public void Visit(long index, FrameRadix.Cell cell, ulong word)
        {
            var (_, mask) = Next(Math.Max(first, index * BitsInWord), end);
            ref ulong here = ref pages._words.At(cell);
            pages._count -= BitOperations.PopCount(mask & here);
            here &= ~mask;
            if (here == 0)
            {
                pages._words.Release(index, cell);
            }
        }
    }
}
