using Pando.Concurrency;
using Pando.Costs;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// A file in RAM: a memfd, or shared anonymous memory. A page's frame is allocated, zeroed, at the first touch by
/// anybody.
/// </summary>
public class MemoryFile : MappedFile
{
    // How many pages are taken away while others wait.
    private const int MostInPiece = 1024;

    private readonly FrameRadix _pages;
    private readonly int _pageLevel;

    private readonly bool _fixedPages;

    internal MemoryFile(TableStore store, string name, long size, long pageSize, bool fixedPages = false)
        : base(store, name, Checked(store.Geometry, size, pageSize, fixedPages))
    {
        _fixedPages = fixedPages;
        _pageLevel = pageSize == Geometry.PageSize ? Level.Pte : Level.Pmd;
        _pages = new FrameRadix(store);
        Publish();
    }

    private static long Checked(TableGeometry geometry, long size, long pageSize, bool fixedPages)
    {
        if (pageSize != geometry.PageSize && (pageSize != geometry.EntrySpan(Level.Pmd) || !geometry.IsLeafLevel(Level.Pmd)))
        {
            throw new ArgumentOutOfRangeException(
                nameof(pageSize), pageSize, $"The pages of a memory file are {geometry.PageSize:N0} or {geometry.EntrySpan(Level.Pmd):N0} bytes, the latter where there are leaves of that size.");
        }

        return !fixedPages || size % pageSize == 0
            ? size
            : throw new ArgumentOutOfRangeException(nameof(size), size, $"The size of a file with fixed pages is a multiple of {pageSize:N0} bytes.");
    }

    /// <inheritdoc/>
    public override long PageSize => Geometry.EntrySpan(_pageLevel);

    /// <summary>
    /// The page size if the file's pages can never be smaller (hugetlbfs); 4 KiB if not (memfd with transparent huge pages).
    /// </summary>
    public override long MappingAlignment => _fixedPages ? PageSize : Geometry.PageSize;

    /// <summary>The first offset where an access is a bus error.</summary>
    private long End => (Size + MappingAlignment - 1) & -MappingAlignment;

    /// <inheritdoc/>
    public override SmallPageReason WhySmall(long offset, in LeafLimits limits)
    {
        if (_pageLevel < Level.Pmd)
        {
            return SmallPageReason.FilePageSize;
        }

        if (limits.HighestLevel != Level.Pmd)
        {
            return limits.HighestLevel > Level.Pmd ? SmallPageReason.FilePageSize : limits.Reason;
        }

        long start = offset & -PageSize;
        if (start < limits.WindowStart || start + PageSize > limits.WindowEnd)
        {
            return SmallPageReason.MappingEdge;
        }

        return start + PageSize > End ? SmallPageReason.EndOfFile : SmallPageReason.None;
    }

    /// <inheritdoc/>
    public override PhysicalAddress? Locate(long offset)
    {
        if (IsPastEnd(offset))
        {
            return null;
        }

        using var epoch = Store.Epochs.Enter();
        return TryGetPage(offset >> Geometry.EntryShift(_pageLevel), makes: false, out var frame) ? Store.Memory.AddressOf(frame) + (offset & (PageSize - 1)) : null;
    }

    /// <summary>Frames that hold the file's contents and its own record of them.</summary>
    internal (int Data, int Index) Frames
    {
        get
        {
            int data = 0;
            _pages.ForEach((_, _) => data += 1 << (Geometry.IndexBits * (_pageLevel - 1)));
            return (data, _pages.FrameCount);
        }
    }

    /// <inheritdoc/>
    internal override FilePage Find(long offset, bool write, in LeafLimits limits, bool makes = true)
    {
        if (IsPastEnd(offset))
        {
            return FilePage.Failed(PageStatus.PastEnd);
        }

        if (!TryGetPage(offset >> Geometry.EntryShift(_pageLevel), makes, out var frame))
        {
            return FilePage.Failed(!makes ? PageStatus.Absent : IsPastEnd(offset) ? PageStatus.PastEnd : PageStatus.OutOfMemory);
        }

        if (Store.Memory.Record(frame).Poisoned)
        {
            return FilePage.Failed(PageStatus.Poisoned);
        }

        var reason = WhySmall(offset, limits);
        int level = reason == SmallPageReason.None ? Level.Pmd : Level.Pte;
        long start = offset & -Geometry.EntrySpan(level);
        long inPage = start & (PageSize - 1);
        long run = level == Level.Pte ? Math.Min(PageSize - inPage, End - start) : PageSize;
        return new FilePage(PageStatus.Found, level, reason, start, Store.Memory.AddressOf(frame) + inPage, run, Writable: true);
    }

    /// <inheritdoc/>
    public override Errno Poison(long offset)
    {
        using var use = FileUse.Try(this, out bool ended);
        if (ended)
        {
            return Errno.EBADF;
        }

        long start = offset & -PageSize;
        using var change = Tables.Invalidate.Change();
        if (Locate(start) is not { } place)
        {
            return Errno.EINVAL;
        }

        Leaves.Remove(start, start + PageSize);
        Store.Memory.Record(Store.Memory.FrameAt(place)).Poisoned = true;
        return Errno.None;
    }

    /// <inheritdoc/>
    internal override bool HasFailed(long offset) =>
        Locate(offset & -PageSize) is { } place && Store.Memory.Record(Store.Memory.FrameAt(place)).Poisoned;

    /// <inheritdoc/>
    internal override long StorageUnit => PageSize;

    /// <inheritdoc/>
    internal override long PieceEnd(long start, long end)
    {
        int shift = Geometry.EntryShift(_pageLevel);
        using var epoch = Store.Epochs.Enter();
        long next = _pages.IndexAfter(start >> shift, (end - 1) >> shift, MostInPiece);
        if (next < 0)
        {
            return end;
        }

        // At a multiple of 2 MiB where it can, so that no leaf is cut for it.
        long block = (next << shift) & -Geometry.EntrySpan(Level.Pmd);
        return block > start ? block : next << shift;
    }

    /// <inheritdoc/>
    internal override void Reshape(long size, long start, long end)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        Size = size;
        if (start < end)
        {
            FreeRange(start, end);
        }
    }

    /// <summary>Gives back the pages of a range, which nobody reaches any more.</summary>
    private void FreeRange(long start, long end)
    {
        int shift = Geometry.EntryShift(_pageLevel);
        long first = (start + PageSize - 1) >> shift;
        long last = (end >> shift) - 1;
        using (Store.Epochs.Enter())
        {
            var free = new FreeVisitor(this);
            _pages.ForEach(first, last, ref free);
        }

        // Pages of 2 MiB that the range only cuts stay, and read as zeroes there.
        ClearPart(start, Math.Min(end, first << shift));
        if (last + 1 >= first)
        {
            ClearPart((last + 1) << shift, end);
        }
    }

    private void ClearPart(long start, long end)
    {
        using var epoch = Store.Epochs.Enter();
        if (start < end && TryGetPage(start >> Geometry.EntryShift(_pageLevel), makes: false, out var frame))
        {
            Schedule.Reach(SchedulePoint.Bytes);
            Store.Memory.Bytes(Store.Memory.AddressOf(frame) + (start & (PageSize - 1)), (int)(end - start)).Clear();
        }
    }

    private protected override void FreeStorage()
    {
        FreeRange(0, long.MaxValue / 4);
        _pages.Free();
    }

    private protected override void AbandonStorage() => _pages.Abandon();

    /// <summary>
    /// Gives a page that does not exist yet its contents, all at once for everybody (userfaultfd's copy).
    /// </summary>
    /// <param name="offset">The file offset; a multiple of the page's size.</param>
    /// <param name="contents">As many bytes as the page has.</param>
    /// <returns>EEXIST if the page exists; EFAULT past the end; EINVAL for a part of a page of 2 MiB; ENOMEM.</returns>
    internal Errno Provide(long offset, ReadOnlySpan<byte> contents)
    {
        if (contents.Length != PageSize)
        {
            return Errno.EINVAL;
        }

        // Not beside a truncation, after which the contents would stand past the end and come back with growth.
        using var change = Tables.Invalidate.Change();
        return ProvideEntered(offset, contents);
    }

    private Errno ProvideEntered(long offset, ReadOnlySpan<byte> contents)
    {
        if (IsPastEnd(offset))
        {
            return Errno.EFAULT;
        }

        using var epoch = Store.Epochs.Enter();
        if (TryGetPage(offset >> Geometry.EntryShift(_pageLevel), makes: false, out _))
        {
            return Errno.EEXIST;
        }

        if (_pageLevel == Level.Pte
            ? !Store.Frames.TryAllocate(FrameKind.FileData, zero: false, out var frame)
            : !Store.Frames.TryAllocateBlock(FrameKind.FileData, out frame))
        {
            return Errno.ENOMEM;
        }

        Schedule.Reach(SchedulePoint.Bytes);
        contents.CopyTo(Store.Memory.Bytes(Store.Memory.AddressOf(frame), contents.Length));
        var error = Put(offset, frame);
        if (error != Errno.None)
        {
            Store.Frames.Free(frame);
        }

        return error;
    }

    /// <summary>
    /// Makes a frame, or a block of 2 MiB, with its contents the page at an offset, where there is none. Under the invalidate lock, which keeps
    /// the size, and inside an epoch.
    /// </summary>
    /// <returns>EEXIST if there is a page; EFAULT past the end; ENOMEM. Then the frame stays the caller's.</returns>
    private protected Errno Put(long offset, Frame frame)
    {
        Epochs.AssertInside();
        if (IsPastEnd(offset))
        {
            return Errno.EFAULT;
        }

        long index = offset >> Geometry.EntryShift(_pageLevel);
        if (!_pages.TryMake(index, out var cell))
        {
            return Errno.ENOMEM;
        }

        Schedule.Reach(SchedulePoint.EntryWrite, cell.Node.Word(cell.Index));
        if (Interlocked.CompareExchange(ref _pages.At(cell), (ulong)frame.Number, 0) != 0)
        {
            _pages.Release(index, cell);
            return Errno.EEXIST;
        }

        return Errno.None;
    }

    /// <summary>Finds the frame (or 2 MiB block) of a page, or makes it if it may. Whoever comes second uses the first's. Inside an epoch.</summary>
    private bool TryGetPage(long index, bool makes, out Frame frame)
    {
        Epochs.AssertInside();
        frame = Frame.None;
        var cell = _pages.Find(index);
        if (!cell.IsNone)
        {
            Schedule.Reach(SchedulePoint.EntryRead, cell.Node.Word(cell.Index));
            frame = new Frame((int)Volatile.Read(ref _pages.At(cell)));
        }

        if (!frame.IsNone || !makes)
        {
            return !frame.IsNone;
        }

        // A page holds the place where it is told, until it is freed.
        if (!_pages.TryMake(index, out cell))
        {
            return false;
        }

        ref ulong word = ref _pages.At(cell);
        Schedule.Reach(SchedulePoint.EntryRead, cell.Node.Word(cell.Index));
        ulong seen = Volatile.Read(ref word);
        if (seen == 0)
        {
            if (_pageLevel == Level.Pte
                ? !Store.Frames.TryAllocate(FrameKind.FileData, out frame)
                : !Store.Frames.TryAllocateBlock(FrameKind.FileData, out frame))
            {
                _pages.Release(index, cell);
                return false;
            }

            Schedule.Reach(SchedulePoint.EntryWrite, cell.Node.Word(cell.Index));
            seen = Interlocked.CompareExchange(ref word, (ulong)frame.Number, 0);
            if (seen == 0)
            {
                // A truncation may have passed by here since the fault looked at the size; it had set its own before.
                Schedule.Reach(SchedulePoint.SharedWord);
                if (!IsPastEnd(index << Geometry.EntryShift(_pageLevel)) || Interlocked.CompareExchange(ref word, 0, (ulong)frame.Number) != (ulong)frame.Number)
                {
                    return true;
                }

                // Nobody can have it in a leaf: the sequence has moved.
                _pages.Release(index, cell);
                Store.Retire(frame);
                return false;
            }

            Store.Frames.Free(frame);
        }

        _pages.Release(index, cell);
        frame = new Frame((int)seen);
        return true;
    }

    /// <summary>Gives back pages that nobody reaches any more.</summary>
    private readonly struct FreeVisitor(MemoryFile file) : FrameRadix.IVisitor
    {
        public void Visit(long index, FrameRadix.Cell cell, ulong word)
        {
            Cost.Count(CostKind.Extent);
            Schedule.Reach(SchedulePoint.EntryWrite, cell.Node.Word(cell.Index));

            // A fault that has put a page here too late takes it out itself.
            ulong taken = Interlocked.Exchange(ref file._pages.At(cell), 0);
            if (taken != 0)
            {
                file._pages.Release(index, cell);
                file.Store.Retire(new Frame((int)taken));
            }
        }
    }
}
