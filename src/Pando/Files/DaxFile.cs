using Pando.Concurrency;
using Pando.Hardware;
using Pando.Intervals;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// A file on a memory device. Its pages are the device's own: a leaf shows where an extent lies, and a store goes
/// straight to the device.
/// </summary>
public sealed partial class DaxFile : MappedFile
{
    // How much of the file is changed while others wait: small leaves may show it, which are taken away one by one.
    private const long MostBytesInPiece = 256L << 20;

    // How much of what a file has left is given up by one who has made its metadata durable.
    private const int MostGiven = 256;

    private readonly DirtySet _dirty;

    // What a fault takes space with. Under the invalidate lock.
    private readonly SpaceClaim _pageClaim;
    private readonly ExtentMap _extents;

    // What a clone is about to count once more, and where nobody stores until it has: the clone shows what was there when it
    // began. Changed under the invalidate lock, read like the extents.
    private readonly IntervalTree<Present, NoSummary<Present>> _awaitsClone;
    private ClonedRange? _cloned;

    // Held while what was cut out of the file is noted as left.
    private readonly SleepLock _cutting = new(LockRank.CutExtents);

    // How often size or extents have changed, and up to which of these changes they are durable.
    private long _metadataVersion;
    private long _durableVersion;

    // What the file has left by which of these changes, in their order. Under the lock below.
    private readonly NativeQueue<(long Version, FileExtent Piece)> _left = new();
    private int _leftLock;
    private int _leftCount;

    internal DaxFile(TableStore store, PmemDevice device, string name, long size, IEnumerable<FileExtent> extents)
        : base(store, name, size)
    {
        Device = device;
        _pageClaim = new SpaceClaim(device, this);
        _awaitsClone = new(store.Epochs);
        _withdrawn = new(store.Epochs);
        _dirty = new DirtySet(store);
        Number = device.NumberFile();
        _extents = new ExtentMap(store.Epochs, device.Owners, Number);
        try
        {
            foreach (var extent in extents)
            {
                _extents.Set(extent);
            }

            device.Changed(this);
            _metadataVersion = 1;
            device.AddUser();
            Publish();
        }
        catch
        {
            EndExtents();
            device.Remove(Number);
            throw;
        }

        device.Add(this);
    }

    /// <summary>The file's number among those of the device.</summary>
    internal int Number { get; }

    /// <summary>The device on which the file lies.</summary>
    public PmemDevice Device { get; }

    /// <summary>Where the file lies. While it is changed meanwhile, each extent is of some moment during the call.</summary>
    public IReadOnlyList<FileExtent> Extents => [.. _extents.Within(0, long.MaxValue)];

    /// <inheritdoc/>
    public override long PageSize => Geometry.EntrySpan(Level.Pmd);

    /// <inheritdoc/>
    public override bool SupportsSynchronousMappings => true;

    internal override DirtySet Dirty => _dirty;

    internal override bool HasPendingMetadata =>
        !LeavesOut(DurabilityPart.SynchronousStore) && Volatile.Read(ref _durableVersion) < Volatile.Read(ref _metadataVersion);

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
            ? Device.ZeroPageAddress + (offset - Geometry.PageStart(offset))
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
        if (IsWithdrawn(offset))
        {
            return FilePage.Failed(PageStatus.MustReadmit);
        }

        var extent = _extents.At(offset);
        var reason = WhySmall(offset, limits, extent);
        int level = reason == SmallPageReason.None ? limits.HighestLevel : Level.Pte;
        if (level > Level.Pmd && (AwaitsClone(offset, Geometry.EntrySpan(level)) || IsPartWithdrawn(offset, Geometry.EntrySpan(level))))
        {
            // Of what one such leaf shows, a part may not be stored to soon, or may have no leaf now.
            (level, reason) = (Level.Pte, SmallPageReason.ExtentTooShort);
        }

        long start = offset & -Geometry.EntrySpan(level);
        if (extent.Length == 0)
        {
            return write
                ? FilePage.Failed(PageStatus.MustGiveStorage)
                : new FilePage(PageStatus.Found, Level.Pte, reason, start, Device.ZeroPageAddress, Geometry.PageSize, Writable: false);
        }

        long place = extent.DeviceOffset + (start - extent.FileOffset);
        if (Device.IsPoisoned(place, Geometry.EntrySpan(level)))
        {
            return FilePage.Failed(PageStatus.Poisoned);
        }

        if (write && (extent.IsShared || AwaitsClone(offset, Geometry.EntrySpan(Level.Pmd))))
        {
            return FilePage.Failed(PageStatus.MustGiveStorage);
        }

        // Small pages go on to the end of their 2 MiB at most: beyond, the answer may be another. With poison about,
        // every page is looked at by itself.
        long end = level >= Level.Pmd
            ? Math.Min(Math.Min(extent.FileEnd, limits.WindowEnd), Size)
            : Math.Min(extent.FileEnd, (start & -Geometry.EntrySpan(Level.Pmd)) + Geometry.EntrySpan(Level.Pmd));
        end = FirstWithdrawnOrAwaited(offset, end);
        long run = Device.HasPoison ? 0 : (end - start) & -Geometry.EntrySpan(level);
        return new FilePage(
            PageStatus.Found,
            level,
            reason,
            start,
            Device.Start + place,
            Math.Max(run, Geometry.EntrySpan(level)),
            Writable: write);
    }

    /// <inheritdoc/>
    public override Errno Poison(long offset)
    {
        var extent = ExtentAt(offset);
        return HasEnded ? Errno.EBADF
            : extent.Length == 0 ? Errno.EINVAL
            : Device.PoisonPage(extent.DeviceOffset + ((offset - extent.FileOffset) & -(long)Geometry.PageSize));
    }

    /// <inheritdoc/>
    internal override bool HasFailed(long offset)
    {
        var extent = ExtentAt(offset);
        return extent.Length != 0 && Device.IsPoisoned(extent.DeviceOffset + ((offset - extent.FileOffset) & -(long)Geometry.PageSize), Geometry.PageSize);
    }

    /// <inheritdoc/>
    internal override bool MustCopyToStore(long offset) => ExtentAt(offset).IsShared || AwaitsClone(offset, Geometry.EntrySpan(Level.Pmd));

    /// <inheritdoc/>
    internal override int HighestLeafLevel => Geometry.HighestLeafLevel;

    /// <inheritdoc/>
    internal override Errno CommitMetadata() => CommitMetadata(out _);

    /// <summary>The same, and whether some of what the file had left was given up.</summary>
    internal Errno CommitMetadata(out bool hasGiven)
    {
        hasGiven = false;
        // The version is read before what it stands for is made durable.
        Schedule.Reach(SchedulePoint.SharedWord);
        long version = Volatile.Read(ref _metadataVersion);
        long durable = Volatile.Read(ref _durableVersion);
        if (durable < version)
        {
            var error = Device.SyncMetadata(this);
            if (error != Errno.None)
            {
                return error;
            }
        }

        while (durable < version && Interlocked.CompareExchange(ref _durableVersion, version, durable) != durable)
        {
            // Somebody else has made a version durable; ours may be the later one.
            durable = Volatile.Read(ref _durableVersion);
        }

        hasGiven = GiveLeft(version);
        return Errno.None;
    }

    /// <summary>Whether all of a range has storage.</summary>
    internal bool HasStorage(long start, long end)
    {
        long at = start;
        for (var extent = _extents.First(at, end); at < end && extent.Length != 0 && extent.FileOffset == at; extent = _extents.First(at, end))
        {
            at = extent.FileEnd;
        }

        return at >= end;
    }

    /// <summary>Whether the file has left space that its durable metadata may still lead to.</summary>
    internal bool HasLeft => Volatile.Read(ref _leftCount) > 0;

    /// <summary>The pieces that the file has left and its durable metadata may still lead to; for the auditor.</summary>
    internal IReadOnlyList<FileExtent> Left
    {
        get
        {
            using var held = WordLock.Hold(ref _leftLock, LockRank.FileStorage);
            return _left.ToList().ConvertAll(left => left.Piece);
        }
    }

    /// <inheritdoc/>
    internal override Errno MakeDurable(long start, long end, bool layoutHeld)
    {
        for (var extent = Next(start); extent.Length != 0; extent = Next(extent.FileEnd))
        {
            var error = Device.TrySync(extent.DeviceOffset, extent.Length);
            if (error != Errno.None)
            {
                return error;
            }
        }

        return Errno.None;

        // Not amid a change: a migration that has put the extent elsewhere, and whose metadata a commit would not make durable
        // yet, would leave the old place as it is. When it has ended, a commit takes its metadata along.
        FileExtent Next(long from)
        {
            if (layoutHeld)
            {
                return _extents.First(from, end);
            }

            using var held = Tables.Invalidate.Hold();
            return _extents.First(from, end);
        }
    }

    /// <inheritdoc/>
    internal override bool LeavesOut(DurabilityPart part) => Device.IsLeftOut(part);

    /// <inheritdoc/>
    internal override long PieceEnd(long start, long end)
    {
        int count = 0;
        long bytes = 0;
        for (var extent = _extents.First(start, end); extent.Length != 0; extent = _extents.First(extent.FileEnd, end))
        {
            // At a multiple of 2 MiB where it can, so that no leaf is cut for it.
            long cut = ++count > Device.MostInPiece ? extent.FileOffset : extent.FileOffset + (MostBytesInPiece - bytes);
            if (cut < extent.FileEnd)
            {
                long block = cut & -Geometry.EntrySpan(Level.Pmd);
                return block > start ? block : cut;
            }

            bytes += extent.Length;
        }

        return end;
    }

    /// <inheritdoc/>
    internal override void Reshape(long size, long start, long end)
    {
        LeaveRange(start, end);
        _extents.Remove(start, end);
        Lead(size);
        if (start < end)
        {
            _dirty.Forget(start, end);
        }
    }

    private protected override void FreeStorage()
    {
        LeaveRange(0, long.MaxValue);
        EndExtents();
        Device.Ended(this);
        Interlocked.Increment(ref _metadataVersion);
        Device.Remove(Number);
        Device.RemoveUser();
    }

    private protected override void AbandonStorage() => EndExtents();

    private void EndExtents()
    {
        // However many there are, the device's other files wait for few.
        for (var rest = _extents.CutOut(0, long.MaxValue); !rest.IsNone;)
        {
            _extents.Drop(ref rest);
        }

        _extents.End();
    }

    /// <summary>
    /// The file is so large from now on, and lies where it does now: one change of its metadata, which may become durable at any
    /// time, so that all it leads to is durable already, or the file's own. Under the invalidate lock, with faults excluded.
    /// </summary>
    private void Lead(long size)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        Size = size;
        Device.Changed(this);
        Volatile.Write(ref _metadataVersion, _metadataVersion + 1);
    }

    /// <summary>
    /// The file is about to lead to the space of a range no more: what stands there is taken away or replaced, in one step where a
    /// write-back may look meanwhile, and <see cref="Lead"/> follows. Until that is durable, a crash may bring the space back, so
    /// that nobody is given it before (XFS: busy extents).
    /// </summary>
    private void LeaveRange(long start, long end)
    {
        for (var extent = _extents.First(start, end); extent.Length != 0; extent = _extents.First(extent.FileEnd, end))
        {
            Leave(extent, _metadataVersion + 1);
        }
    }

    /// <summary>Notes that the file has left a piece, with a change of its metadata.</summary>
    private void Leave(FileExtent piece, long version)
    {
        if (LeavesOut(DurabilityPart.Reuse))
        {
            Device.Space.Give(piece.DeviceOffset, piece.Length);
            return;
        }

        Device.Space.Leave(piece.DeviceOffset, piece.Length);
        using (WordLock.Hold(ref _leftLock, LockRank.FileStorage))
        {
            _left.Add((version, piece));
            Interlocked.Increment(ref _leftCount);
        }

        Device.Leaving(this);
    }

    /// <summary>
    /// What was cut out of the file's extents, which does not lead there any more. When the scope ends it is noted as left, while
    /// others go on.
    /// </summary>
    private readonly ref struct CutExtents
    {
        private readonly DaxFile? _file;
        private readonly ExtentMap.Part _part;
        private readonly SleepLock.Scope _held;

        /// <summary>Makes a change that cuts extents out, and returns them. Under the invalidate lock, with faults excluded.</summary>
        public CutExtents(DaxFile file, Func<ExtentMap.Part> change)
        {
            // Who finds no space on the device, and sees anything of the change, knows that there will be some.
            _file = file;
            _held = file._cutting.Hold();
            Interlocked.Increment(ref file._leftCount);
            try
            {
                file.Device.Leaving(file);
                _part = change();
            }
            catch
            {
                End();
                throw;
            }
        }

        public void Dispose()
        {
            if (_file is not { } file)
            {
                return;
            }

            for (var piece = file._extents.First(_part, 0); piece.Length != 0; piece = file._extents.First(_part, piece.FileEnd))
            {
                // With the change that cut it out, or a later one.
                file.Leave(piece, Volatile.Read(ref file._metadataVersion));
            }

            End();
            for (var part = _part; !part.IsNone;)
            {
                file.Tables.Invalidate.LetOthersGoOn();
                using var steady = file.Tables.Invalidate.Hold();
                file._extents.Drop(ref part);
            }
        }

        private void End()
        {
            Interlocked.Decrement(ref _file!._leftCount);
            _file.Device.NoLongerLeaving(_file);
            _held.Dispose();
        }
    }

    /// <summary>Waits until what has been cut out of the file is noted as left.</summary>
    internal void WaitForCut()
    {
        using var held = _cutting.Hold();
    }

    /// <summary>
    /// Gives up some of the pieces that the file has left by changes that are durable, at most <see cref="MostGiven"/>: a fault or a
    /// write-back may be the first that could, after another's change of any number of extents. The rest is as good as free; who
    /// finds no other space asks again.
    /// </summary>
    /// <returns>Whether there was anything.</returns>
    private bool GiveLeft(long version)
    {
        int given = 0;
        for (; given < MostGiven; given++)
        {
            FileExtent piece;
            using (WordLock.Hold(ref _leftLock, LockRank.FileStorage))
            {
                if (!_left.TryPeek(out var left) || left.Version > version)
                {
                    break;
                }

                piece = left.Piece;
                _left.RemoveFirst();
            }

            Device.Space.GiveLeft(piece.DeviceOffset, piece.Length);
            Interlocked.Decrement(ref _leftCount);
        }

        Device.NoLongerLeaving(this);
        return given > 0;
    }

    /// <summary>
    /// Whether a clone is about to count something once more of what a leaf around an offset shows: a large leaf that is write-enabled
    /// lets store to all of it.
    /// </summary>
    private bool AwaitsClone(long offset, long leafSize)
    {
        if (_awaitsClone.Count == 0)
        {
            return false;
        }

        long start = offset & -leafSize;
        using var epoch = Store.Epochs.Enter();
        return _awaitsClone.Overlaps(start, start + leafSize);
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

        long size = Geometry.EntrySpan(limits.HighestLevel);
        long start = offset & -size;
        if (start < limits.WindowStart || start + size > limits.WindowEnd)
        {
            return SmallPageReason.MappingEdge;
        }

        // Where one extent has all of the window, in line, nothing stands in the way: what a fault mostly finds.
        if (extent.FileOffset <= start
            && start + size <= Math.Min(extent.FileEnd, Size)
            && (Device.Start + (extent.DeviceOffset - extent.FileOffset)).IsAligned(size))
        {
            return Device.IsPoisoned(extent.DeviceOffset + (start - extent.FileOffset), size) ? SmallPageReason.Poisoned : SmallPageReason.None;
        }

        // Where a page is a hole, nothing else of its window matters: it shows the page of zeroes.
        var reason = extent.Length == 0 && start + size <= Size
            ? SmallPageReason.Hole
            : WindowJudge.Judge(new MappedExtents(_extents, extent), start, size, Size, Device.Start.Value).Reason;
        if (reason != SmallPageReason.None)
        {
            return reason;
        }

        return Device.IsPoisoned(extent.DeviceOffset + (start - extent.FileOffset), size) ? SmallPageReason.Poisoned : SmallPageReason.None;
    }
}
