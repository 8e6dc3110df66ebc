using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// A file on a memory device. Its pages are the device's own: a leaf shows where an extent lies, and a store goes
/// straight to the device.
/// </summary>
public sealed partial class DaxFile : MappedFile
{
    private readonly DirtySet _dirty;

    private readonly ExtentMap _extents;

    // How often size or extents have changed, and up to which of these changes they are durable.
    private long _metadataVersion;
    private long _durableVersion;

    internal DaxFile(TableStore store, PmemDevice device, string name, long size, IEnumerable<FileExtent> extents)
        : base(store, name, size)
    {
        Device = device;
        _extents = new ExtentMap(store.Epochs);
        foreach (var extent in extents)
        {
            _extents.Set(extent);
        }

        _dirty = new DirtySet(store);
        Publish();
        device.Add(this);
    }

    /// <summary>The device on which the file lies.</summary>
    public PmemDevice Device { get; }

    /// <summary>Where the file lies. While it is changed meanwhile, each extent is of some moment during the call.</summary>
    public IReadOnlyList<FileExtent> Extents => [.. _extents.Within(0, long.MaxValue)];

    /// <inheritdoc/>
    public override long PageSize => Level.EntrySpan(Level.Pmd);

    /// <inheritdoc/>
    public override bool SupportsSynchronousMappings => true;

    internal override DirtySet Dirty => _dirty;

    internal override bool HasPendingMetadata => Volatile.Read(ref _durableVersion) < Volatile.Read(ref _metadataVersion);

    /// <inheritdoc/>
    public override SmallPageReason WhySmall(long offset, in LeafLimits limits) => WhySmall(offset, limits, ExtentAt(offset));

    /// <inheritdoc/>
    public override PhysicalAddress? Locate(long offset)
    {
        if (IsPastEnd(offset))
        {
            return null;
        }

        var extent = ExtentAt(offset);
        return extent.Length == 0
            ? Device.ZeroPage.Address + (offset & (Level.PageSize - 1))
            : Device.Start + extent.DeviceOffset + (offset - extent.FileOffset);
    }

    /// <inheritdoc/>
    internal override FilePage Find(long offset, bool write, in LeafLimits limits, bool makes = true)
    {
        if (IsPastEnd(offset))
        {
            return FilePage.Failed(PageStatus.PastEnd);
        }

        Schedule.Reach(SchedulePoint.SharedWord);
        var extent = _extents.At(offset);
        var reason = WhySmall(offset, limits, extent);
        int level = reason == SmallPageReason.None ? Level.Pmd : Level.Pte;
        long start = offset & -Level.EntrySpan(level);
        if (extent.Length == 0)
        {
            return write
                ? FilePage.Failed(PageStatus.MustAllocate)
                : new FilePage(PageStatus.Found, Level.Pte, reason, start, Device.ZeroPage.Address, Level.PageSize, Writable: false);
        }

        long place = extent.DeviceOffset + (start - extent.FileOffset);
        if (Device.IsPoisoned(place, Level.EntrySpan(level)))
        {
            return FilePage.Failed(PageStatus.Poisoned);
        }

        if (write && extent.IsShared)
        {
            return FilePage.Failed(PageStatus.MustAllocate);
        }

        // Small pages go on to the end of their 2 MiB at most: beyond, the answer may be another. With poison about,
        // every page is looked at by itself.
        long end = level == Level.Pmd
            ? Math.Min(Math.Min(extent.FileEnd, limits.WindowEnd), Size)
            : Math.Min(extent.FileEnd, (start & -Level.EntrySpan(Level.Pmd)) + Level.EntrySpan(Level.Pmd));
        long run = Device.HasPoison ? 0 : (end - start) & -Level.EntrySpan(level);
        return new FilePage(
            PageStatus.Found,
            level,
            reason,
            start,
            Device.Start + place,
            Math.Max(run, Level.EntrySpan(level)),
            Writable: write);
    }

    /// <inheritdoc/>
    public override Errno Poison(long offset)
    {
        var extent = ExtentAt(offset);
        return extent.Length == 0
            ? Errno.EINVAL
            : Device.Poison(extent.DeviceOffset + ((offset - extent.FileOffset) & -(long)Level.PageSize));
    }

    /// <inheritdoc/>
    internal override bool MustCopyToStore(long offset) => _extents.At(offset).IsShared;

    /// <inheritdoc/>
    private protected override void NoteMetadata() => Interlocked.Increment(ref _metadataVersion);

    /// <inheritdoc/>
    internal override void CommitMetadata()
    {
        // The version is read before what it stands for is made durable.
        Schedule.Reach(SchedulePoint.SharedWord);
        long version = Volatile.Read(ref _metadataVersion);
        Device.SyncMetadata();
        long durable;
        while ((durable = Volatile.Read(ref _durableVersion)) < version
            && Interlocked.CompareExchange(ref _durableVersion, version, durable) != durable)
        {
            // Somebody else has made a version durable; ours may be the later one.
        }
    }

    private protected override void MakeDurable(long start, long end)
    {
        foreach (var extent in _extents.Within(start, end))
        {
            Device.Sync(extent.DeviceOffset, extent.Length);
        }
    }

    private protected override void FreeRange(long start, long end)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        for (var extent = _extents.First(start, end); extent.Length != 0; extent = _extents.First(extent.FileEnd, end))
        {
            _extents.Remove(extent.FileOffset, extent.FileEnd);
            Device.Give(extent.DeviceOffset, extent.Length);
        }

        NoteMetadata();

        _dirty.Forget(start, end);
    }

    private protected override void FreeStorage()
    {
        Device.Remove(this);
        FreeRange(0, long.MaxValue / 4);
    }

    private protected override void AbandonStorage() => _extents.Remove(0, long.MaxValue / 4);

    /// <summary>Puts an extent in the place of what was there. Under the invalidate lock.</summary>
    private void SetExtent(FileExtent extent)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        _extents.Set(extent);
        NoteMetadata();
    }

    /// <summary>The extent that has an offset, at this moment; one of length 0 where there is none. For those who are in no epoch.</summary>
    private FileExtent ExtentAt(long offset)
    {
        using var epoch = Store.Epochs.Enter();
        return _extents.At(offset);
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

        if (extent.FileOffset > start || start + size > extent.FileEnd)
        {
            return SmallPageReason.ExtentTooShort;
        }

        return Device.IsPoisoned(extent.DeviceOffset + (start - extent.FileOffset), size) ? SmallPageReason.Poisoned : SmallPageReason.None;
    }
}
