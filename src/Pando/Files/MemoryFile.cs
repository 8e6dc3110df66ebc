using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// A file in RAM: a memfd, or shared anonymous memory. A page's frame is allocated, zeroed, at the first touch by
/// anybody.
/// </summary>
public sealed class MemoryFile : MappedFile
{
    private readonly FrameRadix _pages;
    private readonly int _pageLevel;

    internal MemoryFile(TableStore store, string name, long size, long pageSize)
        : base(store, name, size)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size);
        _pageLevel = pageSize switch
        {
            Hardware.Level.PageSize => Level.Pte,
            1L << 21 => Level.Pmd,
            _ => throw new ArgumentOutOfRangeException(nameof(pageSize), pageSize, "The pages of a memory file are 4 KiB or 2 MiB."),
        };
        _pages = new FrameRadix(store);
    }

    /// <inheritdoc/>
    public override long PageSize => Level.EntrySpan(_pageLevel);

    /// <inheritdoc/>
    public override SmallPageReason WhySmall(long offset, in LeafLimits limits)
    {
        if (_pageLevel < Level.Pmd)
        {
            return SmallPageReason.FilePageSize;
        }

        if (limits.HighestLevel < Level.Pmd)
        {
            return limits.Reason;
        }

        long start = offset & -PageSize;
        return start < limits.WindowStart || start + PageSize > limits.WindowEnd ? SmallPageReason.MappingEdge : SmallPageReason.None;
    }

    /// <inheritdoc/>
    public override PhysicalAddress? Locate(long offset)
    {
        if (offset < 0 || offset >= ((Size + PageSize - 1) & -PageSize))
        {
            return null;
        }

        var cell = _pages.Find(offset >> Level.EntryShift(_pageLevel));
        var frame = cell.IsNone ? Frame.None : new Frame((int)Volatile.Read(ref _pages.At(cell)));
        return frame.IsNone ? null : frame.Address + (offset & (PageSize - 1));
    }

    /// <summary>Frames that hold the file's contents and its own record of them.</summary>
    internal (int Data, int Index) Frames
    {
        get
        {
            int data = 0;
            _pages.ForEach(0, long.MaxValue >> Level.PageShift, (_, _) => data += 1 << (9 * (_pageLevel - 1)));
            return (data, _pages.FrameCount);
        }
    }

    /// <inheritdoc/>
    internal override FilePage Find(long offset, bool write, in LeafLimits limits)
    {
        if (offset < 0 || offset >= ((Size + PageSize - 1) & -PageSize))
        {
            return FilePage.Failed(PageStatus.PastEnd);
        }

        if (!TryGetPage(offset >> Level.EntryShift(_pageLevel), out var frame))
        {
            return FilePage.Failed(PageStatus.OutOfMemory);
        }

        var reason = WhySmall(offset, limits);
        int level = reason == SmallPageReason.None && limits.HighestLevel >= Level.Pmd ? Level.Pmd : Level.Pte;
        long start = offset & -Level.EntrySpan(level);
        long inPage = start & (PageSize - 1);
        long run = level == Level.Pte ? PageSize - inPage : PageSize;
        return new FilePage(PageStatus.Found, level, reason, start, frame.Address + inPage, run, Writable: true);
    }

    private protected override void FreeStorage()
    {
        _pages.ForEach(0, long.MaxValue >> Level.PageShift, (_, word) => Store.Retire(new Frame((int)word)));
        _pages.Free();
    }

    /// <summary>Finds or allocates the frame (or 2 MiB block) of a page. Whoever comes second uses the first's.</summary>
    private bool TryGetPage(long index, out Frame frame)
    {
        frame = Frame.None;
        if (!_pages.TryMake(index, out var cell))
        {
            return false;
        }

        ref ulong word = ref _pages.At(cell);
        frame = new Frame((int)Volatile.Read(ref word));
        if (!frame.IsNone)
        {
            return true;
        }

        if (_pageLevel == Level.Pte
            ? !Store.Frames.TryAllocate(FrameKind.FileData, out frame)
            : !Store.Frames.TryAllocateBlock(FrameKind.FileData, out frame))
        {
            return false;
        }

        Schedule.Reach(SchedulePoint.EntryWrite);
        ulong seen = Interlocked.CompareExchange(ref word, (ulong)frame.Number, 0);
        if (seen != 0)
        {
            Store.Frames.Free(frame);
            frame = new Frame((int)seen);
        }

        return true;
    }
}
