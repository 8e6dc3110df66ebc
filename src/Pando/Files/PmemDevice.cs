using Pando.Concurrency;
using Pando.Hardware;
using Pando.Intervals;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// A persistent-memory device: a range of physical addresses, on which <see cref="DaxFile"/>s lie. Safe for threads.
/// </summary>
/// <remarks>
/// It lives as long as it is open or a file on it has not ended, and no longer than its machine. <see cref="Dispose"/> closes
/// it: nothing more is made on it, moved or synchronised; the files that are there go on. Its bytes go when the last of them
/// has ended; its physical addresses are never used again.
/// </remarks>
public sealed class PmemDevice : IDisposable
{
    // So many files with space to wait for are no burden; with more, their metadata are made durable when a file is made.
    private const int MostLeaving = 1024;

    private readonly TableStore _store;
    private readonly DeviceStorage _storage;
    private readonly SleepLock _lock = new(LockRank.DeviceFiles);
    private readonly HashSet<DaxFile> _files = [];

    // Files, also ended ones, whose durable metadata may lead to space that they have left.
    private readonly HashSet<DaxFile> _leaving = [];
    private int _leavingCount;

    // Files that have not ended and operations that are under way, plus one while the device is open.
    private int _users = 1;
    private int _closed;

    // What of the device's memory has failed, by device offset. Changed under the lock; read without.
    private readonly IntervalTree<Present, NoSummary<Present>> _poison;
    private long _metadataSyncs;

    internal PmemDevice(TableStore store, long size, PhysicalAddress start, PmemBacking backing, string? path, Frame zero)
        : this(store, size, start, () => Open(backing, path, size), zero)
    {
        Backing = backing;
        Path = path;
    }

    internal PmemDevice(TableStore store, long size, PhysicalAddress start, Func<DeviceStorage> storage, Frame zero)
    {
        _store = store;
        if (size <= 0 || size % Geometry.PageSize != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(size), size, $"A device's size must be a multiple of {Geometry.PageSize >> 10} KiB, more than zero.");
        }

        ulong end = 1UL << store.Format.PhysicalAddressBits;
        if (!start.IsAligned(Geometry.PageSize) || start.Value > end || (ulong)size > end - start.Value)
        {
            throw new ArgumentOutOfRangeException(
                nameof(start), start, $"The device must begin at a multiple of {Geometry.PageSize >> 10} KiB and end within the {store.Format.PhysicalAddressBits} bits of a physical address.");
        }

        Size = size;
        Start = start;
        ZeroPage = zero;
        Space = new DeviceSpace(size, Geometry);
        _poison = new(store.Epochs);
        _storage = storage();
        try
        {
            store.Memory.AddRegion(new PhysicalRegion(start, size, _storage.Address, "PMEM device"));
        }
        catch
        {
            _storage.Dispose();
            throw;
        }
    }

    /// <summary>Bytes.</summary>
    public long Size { get; }

    /// <summary>The device's first physical address.</summary>
    public PhysicalAddress Start { get; }

    /// <summary>Where the bytes are kept.</summary>
    public PmemBacking Backing { get; }

    /// <summary>The file that keeps the bytes, or null.</summary>
    public string? Path { get; }

    /// <summary>
    /// Bytes that no file has. Before what files have left is given to another, their metadata are made durable; so it counts
    /// as free.
    /// </summary>
    public long FreeBytes => Space.Free + Space.Leaving - Space.LeavingOutOfUse;

    /// <summary>Bytes that are out of use: those from which <see cref="Migrate"/> has moved files away, and those that have failed.</summary>
    public long RetiredBytes => Space.Retired + Space.LeavingOutOfUse;

    /// <summary>How often metadata of files have been made durable.</summary>
    public long MetadataSyncs => Interlocked.Read(ref _metadataSyncs);

    /// <summary>A test's hook: what of durability is left out. It exists to show that the tests see it.</summary>
    internal Func<DurabilityPart, bool>? LeavesOut { get; set; }

    /// <summary>
    /// How many extents of a file are changed while others wait. Tests make it small, so that few extents are many pieces.
    /// </summary>
    internal int MostInPiece { get; set; } = 64;

    internal bool HasPoison => _poison.Count > 0;

    internal DeviceSpace Space { get; }

    /// <summary>The frame of zeroes that stands in for holes.</summary>
    internal Frame ZeroPage { get; }

    private TableGeometry Geometry => _store.Geometry;

    internal PhysicalAddress ZeroPageAddress => _store.Memory.AddressOf(ZeroPage);

    /// <summary>
    /// Makes a file of zeroes that lies on the device in one piece, aligned to 1 GiB, or to 2 MiB or 4 KiB if it is smaller
    /// than that or the space does not allow more. It is durable when it is there.
    /// </summary>
    /// <param name="name">The file's name, for reports.</param>
    /// <param name="size">Bytes; more than zero.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The size is none.</exception>
    /// <exception cref="IOException">The device has no free piece of that length, or its storage fails.</exception>
    /// <exception cref="ObjectDisposedException">The device has been closed.</exception>
    public DaxFile CreateFile(string name, long size)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        using var use = InUse();
        long length = RoundUp(size);
        CommitIfManyLeave();
        foreach (long alignment in (ReadOnlySpan<long>)[Geometry.EntrySpan(Level.Pud), Geometry.EntrySpan(Level.Pmd), Geometry.PageSize])
        {
            while (alignment == Geometry.PageSize || length >= alignment)
            {
                using var claim = Claim();
                if (claim.Take(length, alignment, out long start) != Errno.None)
                {
                    break;
                }

                if (TryCreate(claim, name, size, [new FileExtent(0, start, length)], clears: true) is { } file)
                {
                    return file;
                }
            }
        }

        throw new IOException($"The device has no free piece of {length:N0} bytes for '{name}'; {FreeBytes:N0} of {Size:N0} bytes are free in all.");
    }

    /// <summary>
    /// Makes a file of zeroes that lies on the device as told; between the extents it has holes. It is durable when it is there.
    /// </summary>
    /// <param name="name">The file's name, for reports.</param>
    /// <param name="size">Bytes; more than zero.</param>
    /// <param name="extents">Where its pieces lie: in order of file offset, none over another, whole 4 KiB pages.</param>
    /// <exception cref="ArgumentException">The extents are not of that form, or the name is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The size is none.</exception>
    /// <exception cref="IOException">A part of an extent belongs to another file, or lies outside the device; or its storage fails.</exception>
    /// <exception cref="ObjectDisposedException">The device has been closed.</exception>
    public DaxFile CreateFile(string name, long size, IReadOnlyList<FileExtent> extents) => Create(name, size, extents, clears: true);

    /// <summary>
    /// A file that is on the device already: what lies there is its contents. For devices whose bytes outlive the machine
    /// (<see cref="PmemBacking.File"/>), of which the caller knows where their files lie.
    /// </summary>
    /// <param name="name">The file's name, for reports.</param>
    /// <param name="size">Bytes; more than zero.</param>
    /// <param name="extents">Where its pieces lie: in order of file offset, none over another, whole 4 KiB pages.</param>
    /// <exception cref="ArgumentException">The extents are not of that form, or the name is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The size is none.</exception>
    /// <exception cref="IOException">A part of an extent belongs to another file, or lies outside the device; or its storage fails.</exception>
    /// <exception cref="ObjectDisposedException">The device has been closed.</exception>
    public DaxFile OpenFile(string name, long size, IReadOnlyList<FileExtent> extents) => Create(name, size, extents, clears: false);

    private DaxFile Create(string name, long size, IReadOnlyList<FileExtent> extents, bool clears)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(extents);
        using var use = InUse();
        long length = RoundUp(size);
        long end = 0;
        foreach (var extent in extents)
        {
            if (!Geometry.IsPageAligned(extent.FileOffset | extent.DeviceOffset | extent.Length)
                || extent.Length <= 0 || extent.FileOffset < end || extent.FileEnd > length
                || extent.DeviceOffset < 0 || extent.DeviceOffset > long.MaxValue - extent.Length)
            {
                throw new ArgumentException(
                    $"{extent} does not fit: extents are whole 4 KiB pages, in order of file offset, none over another, within the file's {length:N0} bytes.", nameof(extents));
            }

            end = extent.FileEnd;
        }

        CommitIfManyLeave();
        using var claim = Claim();
        foreach (var extent in extents)
        {
            if (claim.TakeAt(extent) != Errno.None)
            {
                throw new IOException($"{extent} of '{name}' is not free on the device of {Size:N0} bytes.");
            }
        }

        return TryCreate(claim, name, size, [.. extents], clears)
            ?? throw new IOException($"A part of '{name}' has just been taken out of use.");
    }

    /// <summary>Makes a file of what is claimed; null if a part of it has been taken out of use meanwhile.</summary>
    private DaxFile? TryCreate(SpaceClaim claim, string name, long size, FileExtent[] extents, bool clears)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        foreach (var extent in clears ? extents : [])
        {
            if (Clear(extent.DeviceOffset, extent.Length, DurabilityPart.NewFile) != Errno.None)
            {
                throw new IOException($"{extent} of '{name}' cannot be filled with zeroes: the storage fails.");
            }
        }

        var file = new DaxFile(_store, this, name, size, extents);
        claim.Keep();

        // A migration that began since may not have seen the file.
        bool stays = !extents.Any(extent => Space.IsOutOfUse(extent.DeviceOffset, extent.Length));
        if (stays && (IsLeftOut(DurabilityPart.CommitNewFile) || file.CommitMetadata() == Errno.None))
        {
            return file;
        }

        file.Dispose();
        return stays ? throw new IOException($"'{name}' cannot be made durable: the storage fails.") : null;
    }

    /// <summary>Makes what was stored to a range of the device durable, and waits for it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not one of the device.</exception>
    /// <exception cref="IOException">The storage fails.</exception>
    /// <exception cref="ObjectDisposedException">The device has been closed.</exception>
    public void Sync(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Size - length);
        using var use = InUse();
        _storage.Sync(offset, length);
    }

    /// <summary>The same, for a range of a file.</summary>
    /// <returns>EIO where the storage fails.</returns>
    internal Errno TrySync(long offset, long length)
    {
        try
        {
            _storage.Sync(offset, length);
            return Errno.None;
        }
        catch (IOException)
        {
            return Errno.EIO;
        }
    }

    /// <summary>
    /// Moves everything that lies on a range of the device elsewhere, while processes read and write it, and takes
    /// the range out of use (say, because it is failing).
    /// </summary>
    /// <returns>
    /// EINVAL if the range is not whole 4 KiB pages of the device; ENOSPC if there is no room, and then what could be
    /// moved has been moved; EIO if a part has failed already: that part stays where it is, everything else has been moved;
    /// or if the storage fails. Without an error nothing leads to the range after a crash either.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The device has been closed.</exception>
    public Errno Migrate(long offset, long length)
    {
        using var use = InUse();
        if (offset < 0 || length <= 0 || !Geometry.IsPageAligned(offset | length) || offset > Size - length)
        {
            return Errno.EINVAL;
        }

        Space.Retire(offset, offset + length);

        // Again where a file that had been dealt with was given a part of another that had not (reflink), or had taken space
        // of the range before that was out of use.
        do
        {
            var error = ForEachFile(file => file.MoveAway(offset, offset + length));
            if (error != Errno.None)
            {
                return error;
            }
        }
        while (ForEachFile(file => file.CanMoveFrom(offset, offset + length) ? Errno.EAGAIN : Errno.None) == Errno.EAGAIN);

        var committed = IsLeftOut(DurabilityPart.CommitMigration) ? Errno.None : CommitLeft();
        return committed != Errno.None ? committed : ForEachFile(file => file.HasFailedOn(offset, offset + length) ? Errno.EIO : Errno.None);
    }

    /// <summary>
    /// The memory of a page has failed: every process that touches it from now on gets a hardware-poison bus error.
    /// </summary>
    /// <returns>EINVAL if the offset is not that of a page of the device.</returns>
    /// <exception cref="ObjectDisposedException">The device has been closed.</exception>
    public Errno Poison(long offset)
    {
        using var use = InUse();
        return offset < 0 || offset >= Size || !Geometry.IsPageAligned(offset) ? Errno.EINVAL : PoisonPage(offset);
    }

    /// <summary>The same for a page of the device that one of its files has.</summary>
    internal Errno PoisonPage(long offset)
    {
        using (_lock.Hold())
        {
            _poison.Set(offset, offset + Geometry.PageSize, default);
        }

        // Faults see the poison from here on; who shows the page already loses it now.
        ForEachFile(file =>
        {
            file.RemovePoisoned(offset, offset + Geometry.PageSize);
            return Errno.None;
        });

        // Nobody is given it any more.
        Space.Retire(offset, offset + Geometry.PageSize);
        return Errno.None;
    }

    /// <summary>The parts of an extent whose memory has not failed.</summary>
    internal IEnumerable<FileExtent> WithoutPoison(FileExtent extent)
    {
        for (long at = extent.DeviceOffset; at < extent.DeviceEnd;)
        {
            var (start, end) = FirstPoison(at, extent.DeviceEnd);
            if (start > at)
            {
                yield return ExtentMap.Slice(extent, extent.FileOffset + (at - extent.DeviceOffset), extent.FileOffset + (start - extent.DeviceOffset));
            }

            at = end;
        }
    }

    /// <summary>The first part of a range whose memory has failed; where none has, nothing at the range's end.</summary>
    private (long Start, long End) FirstPoison(long start, long end)
    {
        using var epoch = _store.Epochs.Enter();
        return _poison.TryGetNext(start, out var failed) && failed.Start < end
            ? (Math.Max(start, failed.Start), Math.Min(end, failed.End))
            : (end, end);
    }

    /// <summary>The parts of an extent that lie where the device is being emptied, or was: only what has failed stays there.</summary>
    internal IEnumerable<FileExtent> BeingEmptied(FileExtent extent) => WithoutPoison(extent).SelectMany(OutOfUse);

    private IEnumerable<FileExtent> OutOfUse(FileExtent part)
    {
        for (long at = part.DeviceOffset; at < part.DeviceEnd;)
        {
            var (start, length) = Space.FirstOutOfUse(at, part.DeviceEnd - at);
            if (length == 0)
            {
                yield break;
            }

            at = start + length;
            long distance = part.FileOffset - part.DeviceOffset;
            yield return ExtentMap.Slice(part, start + distance, at + distance);
        }
    }

    internal bool IsPoisoned(long offset, long length)
    {
        return HasPoison && FirstPoison(offset, offset + length).Start < offset + length;
    }

    internal void Add(DaxFile file)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using (_lock.Hold())
        {
            _files.Add(file);
        }
    }

    internal void Remove(DaxFile file)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using (_lock.Hold())
        {
            _files.Remove(file);
        }
    }

    /// <summary>The files of the device, and those that have ended and may lead to their space after a crash; for the auditor.</summary>
    internal IReadOnlyCollection<DaxFile> Files
    {
        get
        {
            using var held = _lock.Hold();
            return [.. _files.Union(_leaving)];
        }
    }

    /// <summary>A claim on space, without any yet.</summary>
    internal SpaceClaim Claim() => new(this);

    /// <summary>
    /// Copies bytes from one place of the device to another, and makes the copy durable: a file is about to lead there, and
    /// its metadata may become durable at any time.
    /// </summary>
    /// <returns>EIO where memory of what is copied has failed, also meanwhile: a copy would hide that; or the storage fails.</returns>
    internal Errno Copy(long from, long to, long length, DurabilityPart part)
    {
        for (long done = 0; _storage.Address != 0 && done < length && !IsPoisoned(from, length); done += Geometry.PageSize)
        {
            Schedule.Reach(SchedulePoint.Bytes);
            _store.Memory.Bytes(Start + from + done, Geometry.PageSize).CopyTo(_store.Memory.Bytes(Start + to + done, Geometry.PageSize));
        }

        return IsPoisoned(from, length) ? Errno.EIO
            : IsLeftOut(part) ? Errno.None
            : TrySync(to, length);
    }

    /// <summary>Fills space that a file is about to lead to with zeroes, and makes them durable, as with a copy.</summary>
    /// <returns>EIO where the storage fails.</returns>
    internal Errno Clear(long offset, long length, DurabilityPart part)
    {
        try
        {
            Schedule.Reach(SchedulePoint.Bytes);
            _storage.Clear(offset, length);
        }
        catch (IOException)
        {
            return Errno.EIO;
        }

        return IsLeftOut(part) ? Errno.None : TrySync(offset, length);
    }

    /// <summary>Whether a test has a part of durability left out. Never in the ordinary build.</summary>
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Performance", "CA1822", Justification = "What is left out is the device's, in the checked build.")]
    internal bool IsLeftOut(DurabilityPart part) =>
#if PANDO_CHECKED
        LeavesOut is { } leavesOut && leavesOut(part);
#else
        false;
#endif

    /// <summary>A file's metadata have changed.</summary>
    internal void Changed(DaxFile file) => _storage.Changed(file);

    /// <summary>A file has ended.</summary>
    internal void Ended(DaxFile file) => _storage.Ended(file);

    /// <summary>Makes the metadata of a file durable.</summary>
    /// <returns>EIO where the storage fails.</returns>
    internal Errno SyncMetadata(DaxFile file)
    {
        try
        {
            _storage.SyncMetadata(file);
        }
        catch (IOException)
        {
            return Errno.EIO;
        }

        Interlocked.Increment(ref _metadataSyncs);
        return Errno.None;
    }

    /// <summary>Whether any file has left space that its durable metadata may still lead to.</summary>
    internal bool IsAnyLeaving => Volatile.Read(ref _leavingCount) > 0;

    /// <summary>A file has left space.</summary>
    internal void Leaving(DaxFile file)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using var held = _lock.Hold();
        _leaving.Add(file);
        Volatile.Write(ref _leavingCount, _leaving.Count);
    }

    /// <summary>A file's metadata have become durable.</summary>
    internal void NoLongerLeaving(DaxFile file)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using var held = _lock.Hold();
        if (!file.HasLeft)
        {
            _leaving.Remove(file);
            Volatile.Write(ref _leavingCount, _leaving.Count);
        }
    }

    /// <summary>Makes the metadata durable of all files that have left space, so that it can be used again.</summary>
    /// <returns>EIO where the storage fails; then some may be durable.</returns>
    internal Errno CommitLeft()
    {
        DaxFile[] files;
        Schedule.Reach(SchedulePoint.SharedWord);
        using (_lock.Hold())
        {
            files = [.. _leaving];
        }

        var error = Errno.None;
        foreach (var file in files)
        {
            file.WaitForCut();
            var outcome = file.CommitMetadata();
            error = error == Errno.None ? outcome : error;
        }

        return error;
    }

    private void CommitIfManyLeave()
    {
        if (Volatile.Read(ref _leavingCount) > MostLeaving)
        {
            // Where it cannot be done now, there is another time.
            _ = CommitLeft();
        }
    }

    /// <summary>
    /// Does something to every file, up to the first that fails. Each is kept from ending meanwhile, which would give
    /// back its storage a second time.
    /// </summary>
    private Errno ForEachFile(Func<DaxFile, Errno> action)
    {
        DaxFile[] files;
        Schedule.Reach(SchedulePoint.SharedWord);
        using (_lock.Hold())
        {
            files = [.. _files];
        }

        foreach (var file in files.Where(file => file.TryAddUser()))
        {
            try
            {
                var error = action(file);
                if (error != Errno.None)
                {
                    return error;
                }
            }
            finally
            {
                file.RemoveUser();
            }
        }

        return Errno.None;
    }

    /// <summary>Closes the device. Files on it stay valid; with the last of them its bytes go.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            RemoveUser();
        }
    }

    /// <summary>Counts one user more, who is kept from losing the bytes.</summary>
    /// <exception cref="ObjectDisposedException">The device has been closed.</exception>
    internal void AddUser()
    {
        int users = Volatile.Read(ref _users);
        while (true)
        {
            ObjectDisposedException.ThrowIf(users == 0 || Volatile.Read(ref _closed) != 0, this);
            Schedule.Reach(SchedulePoint.SharedWord);
            int seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
            {
                return;
            }

            users = seen;
        }
    }

    /// <summary>Counts one user less; with the last the bytes go.</summary>
    internal void RemoveUser()
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        if (Interlocked.Decrement(ref _users) == 0)
        {
            Release();
        }
    }

    /// <summary>Ends the device with its machine, whoever uses it. The machine is at rest.</summary>
    internal void Abandon()
    {
        _closed = 1;
        if (Interlocked.Exchange(ref _users, 0) > 0)
        {
            Release();
        }
    }

    private void Release()
    {
        _store.Memory.TakeBytesFrom(Start);
        _storage.Dispose();
    }

    /// <summary>A use of the device by one operation.</summary>
    private Use InUse()
    {
        AddUser();
        return new Use(this);
    }

    /// <summary>Keeps the device's bytes until the scope ends.</summary>
    private readonly ref struct Use(PmemDevice device)
    {
        private readonly PmemDevice _device = device;

        public void Dispose() => _device.RemoveUser();
    }

    private static DeviceStorage Open(PmemBacking backing, string? path, long size)
    {
        switch (backing)
        {
            case PmemBacking.Sparse:
                return new SparseStorage(size);
            case PmemBacking.File:
                ArgumentException.ThrowIfNullOrEmpty(path);
                return new HostFileStorage(path, size);
            case PmemBacking.None:
                return new NoStorage();
            default:
                throw new ArgumentOutOfRangeException(nameof(backing), backing, null);
        }
    }

    private long RoundUp(long size)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, long.MaxValue - Geometry.TableSpan(Level.Pmd));
        return Geometry.RoundUpToPages(size);
    }
}
