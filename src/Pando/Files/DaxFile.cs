using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// A file on a memory device. Its pages are the device's own: a leaf shows where an extent lies, and a store goes
/// straight to the device.
/// </summary>
public sealed class DaxFile : MappedFile
{
    // Sorted by file offset. Replaced as a whole, under the invalidate lock; read without a lock.
    private FileExtent[] _extents;

    internal DaxFile(TableStore store, PmemDevice device, string name, long size, FileExtent[] extents)
        : base(store, name, size)
    {
        Device = device;
        _extents = extents;
    }

    /// <summary>The device on which the file lies.</summary>
    public PmemDevice Device { get; }

    /// <summary>Where the file lies, at this moment.</summary>
    public IReadOnlyList<FileExtent> Extents => Volatile.Read(ref _extents);

    /// <inheritdoc/>
    public override long PageSize => Level.EntrySpan(Level.Pmd);

    /// <inheritdoc/>
    public override SmallPageReason WhySmall(long offset, in LeafLimits limits) =>
        WhySmall(offset, limits, ExtentAt(Volatile.Read(ref _extents), offset));

    /// <inheritdoc/>
    public override PhysicalAddress? Locate(long offset)
    {
        if (offset < 0 || offset >= ((Size + Level.PageSize - 1) & -(long)Level.PageSize))
        {
            return null;
        }

        var extent = ExtentAt(Volatile.Read(ref _extents), offset);
        return extent.Length == 0
            ? Device.ZeroPage.Address + (offset & (Level.PageSize - 1))
            : Device.Start + extent.DeviceOffset + (offset - extent.FileOffset);
    }

    /// <inheritdoc/>
    internal override FilePage Find(long offset, bool write, in LeafLimits limits)
    {
        if (offset < 0 || offset >= Size)
        {
            // The last page may be a part of one: Linux gives SIGBUS from DIV_ROUND_UP(size, 4 KiB) on.
            if (offset < 0 || offset >= ((Size + Level.PageSize - 1) & -(long)Level.PageSize))
            {
                return FilePage.Failed(PageStatus.PastEnd);
            }
        }

        var extent = ExtentAt(Volatile.Read(ref _extents), offset);
        var reason = WhySmall(offset, limits, extent);
        int level = reason == SmallPageReason.None && limits.HighestLevel >= Level.Pmd ? Level.Pmd : Level.Pte;
        long start = offset & -Level.EntrySpan(level);
        if (extent.Length == 0)
        {
            return write
                ? FilePage.Failed(PageStatus.MustAllocate)
                : new FilePage(PageStatus.Found, Level.Pte, reason, start, Device.ZeroPage.Address, Level.PageSize, Writable: false);
        }

        long end = level == Level.Pmd
            ? Math.Min(Math.Min(extent.FileEnd, limits.WindowEnd), Size)
            : Math.Min(extent.FileEnd, (start & -Level.EntrySpan(Level.Pmd)) + Level.EntrySpan(Level.Pmd));
        long run = (end - start) & -Level.EntrySpan(level);
        return new FilePage(
            PageStatus.Found,
            level,
            reason,
            start,
            Device.Start + extent.DeviceOffset + (start - extent.FileOffset),
            Math.Max(run, Level.EntrySpan(level)),
            Writable: write);
    }

    /// <inheritdoc/>
    internal override PageStatus Allocate(long offset)
    {
        long page = offset & -(long)Level.PageSize;
        var status = PageStatus.Found;
        var added = default(FileExtent);
        ChangeLayoutFor(page, () =>
        {
            var extents = _extents;
            if (ExtentAt(extents, page).Length != 0)
            {
                return default; // somebody was quicker
            }

            // A whole 2 MiB if the hole has room for it, like a file system with an extent-size hint of 2 MiB.
            long hint = Level.EntrySpan(Level.Pmd);
            long block = page & -hint;
            if (block + hint <= Size && IsHole(extents, block, block + hint) && Device.Space.TryTake(hint, hint, out long at))
            {
                added = new FileExtent(block, at, hint);
            }
            else if (Device.Space.TryTake(Level.PageSize, Level.PageSize, out at))
            {
                added = new FileExtent(page, at, Level.PageSize);
            }
            else
            {
                status = PageStatus.OutOfSpace;
                return default;
            }

            Device.Clear(added.DeviceOffset, added.Length);
            Volatile.Write(ref _extents, Insert(extents, added));
            return added;
        });
        return status;
    }

    private protected override void FreeStorage()
    {
        foreach (var extent in _extents)
        {
            Device.Space.Give(extent.DeviceOffset, extent.Length);
        }

        _extents = [];
    }

    private void ChangeLayoutFor(long page, Func<FileExtent> add)
    {
        // The 2 MiB around the page: no leaf shows a hole beyond them.
        long block = page & -Level.EntrySpan(Level.Pmd);
        ChangeLayout(block, block + Level.EntrySpan(Level.Pmd), () => add().Length != 0, () => { });
    }

    private SmallPageReason WhySmall(long offset, in LeafLimits limits, FileExtent extent)
    {
        if (limits.HighestLevel < Level.Pmd)
        {
            return limits.Reason;
        }

        long size = Level.EntrySpan(Level.Pmd);
        long start = offset & -size;
        if (start < limits.WindowStart || start + size > limits.WindowEnd)
        {
            return SmallPageReason.MappingEdge;
        }

        if (start + size > Size)
        {
            return SmallPageReason.EndOfFile;
        }

        if (extent.Length == 0)
        {
            return SmallPageReason.Hole;
        }

        if (!(Device.Start + (extent.DeviceOffset - extent.FileOffset)).IsAligned(size))
        {
            return SmallPageReason.ExtentMisaligned;
        }

        return extent.FileOffset <= start && start + size <= extent.FileEnd ? SmallPageReason.None : SmallPageReason.ExtentTooShort;
    }

    private static FileExtent ExtentAt(FileExtent[] extents, long offset)
    {
        int low = 0;
        int high = extents.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            ref readonly var extent = ref extents[middle];
            if (offset < extent.FileOffset)
            {
                high = middle - 1;
            }
            else if (offset >= extent.FileEnd)
            {
                low = middle + 1;
            }
            else
            {
                return extent;
            }
        }

        return default;
    }

    private static bool IsHole(FileExtent[] extents, long start, long end) =>
        !extents.Any(extent => extent.FileOffset < end && start < extent.FileEnd);

    /// <summary>Puts an extent in its place and joins it to neighbours that it continues.</summary>
    private static FileExtent[] Insert(FileExtent[] extents, FileExtent added)
    {
        var result = new List<FileExtent>(extents.Length + 1);
        foreach (var extent in extents.Append(added).OrderBy(extent => extent.FileOffset))
        {
            if (result.Count > 0 && result[^1].FileEnd == extent.FileOffset && result[^1].DeviceEnd == extent.DeviceOffset)
            {
                result[^1] = result[^1] with { Length = result[^1].Length + extent.Length };
            }
            else
            {
                result.Add(extent);
            }
        }

        return [.. result];
    }
}
