using Pando.Concurrency;
using Pando.Hardware;
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
public sealed partial class PmemDevice : IDisposable
{
    // So many files with space to wait for are no burden; with more, their metadata are made durable when a file is made.
    private const int MostLeaving = 1024;

    private readonly TableStore _store;
    private readonly DeviceStorage _storage;
    private readonly SleepLock _lock = new(LockRank.DeviceFiles);

    // The files by their numbers, null where one is being made; and the numbers that are free.
    private readonly List<DaxFile?> _files = [];
    private readonly Stack<int> _freeNumbers = new();

    // Files, also ended ones, whose durable metadata may lead to space that they have left.
    private readonly HashSet<DaxFile> _leaving = [];
    private int _leavingCount;

    // Files that have not ended and operations that are under way, plus one while the device is open.
    private int _users = 1;
    private int _closed;

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
        _failed = new(store.Epochs);
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

    internal DeviceSpace Space { get; }

    /// <summary>Which extents of which files lie where.</summary>
    internal ExtentOwners Owners { get; } = new();

    /// <summary>What is taken, and no file leads there yet.</summary>
    internal SpaceClaims Claims { get; } = new();

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

    /// <summary>A number for a file that is being made, by which it is found when it is complete.</summary>
    internal int NumberFile()
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using var held = _lock.Hold();
        if (_freeNumbers.TryPop(out int number))
        {
            return number;
        }

        _freeNumbers.EnsureCapacity(_files.Count + 1);
        _files.Add(null);
        return _files.Count - 1;
    }

    internal void Add(DaxFile file)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using var held = _lock.Hold();
        _files[file.Number] = file;
    }

    /// <summary>Takes a file's number back, under which nothing stands any more.</summary>
    internal void Remove(int number)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using var held = _lock.Hold();
        _files[number] = null;
        _freeNumbers.Push(number);
    }

    /// <summary>The files of the device, and those that have ended and may lead to their space after a crash; for the auditor.</summary>
    internal IReadOnlyCollection<DaxFile> Files
    {
        get
        {
            using var held = _lock.Hold();
            return [.. _files.OfType<DaxFile>().Union(_leaving)];
        }
    }

    /// <summary>
    /// Does something with every extent that has something of a range, up to the first where it fails. Each file is kept from ending
    /// meanwhile, which would give back its storage a second time.
    /// </summary>
    private Errno ForEachOwner(long start, long end, Func<DaxFile, ExtentOwner, Errno> action)
    {
        using var walk = Owners.On(start, end);
        while (walk.TryGetNext(out var owner))
        {
            if (FileOf(owner) is not { } file || !file.TryAddUser())
            {
                continue;
            }

            try
            {
                var error = action(file, owner);
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

    /// <summary>The file of an extent; null where it is being made, or has ended.</summary>
    private DaxFile? FileOf(in ExtentOwner owner)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using var held = _lock.Hold();
        return _files[owner.File];
    }

    /// <summary>A claim on space, without any yet, for a file that is being made.</summary>
    internal SpaceClaim Claim() => new(this, null);

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

    /// <summary>
    /// Makes the metadata durable of all files that have left space, and gives some of it up, so that it can be used again: where there is
    /// more, the next call does.
    /// </summary>
    /// <param name="hasGiven">Whether any was given up.</param>
    /// <returns>EIO where the storage fails; then some may be durable.</returns>
    internal Errno CommitLeft(out bool hasGiven)
    {
        hasGiven = false;
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
            var outcome = file.CommitMetadata(out bool given);
            hasGiven |= given;
            error = error == Errno.None ? outcome : error;
        }

        return error;
    }

    private void CommitIfManyLeave()
    {
        if (Volatile.Read(ref _leavingCount) > MostLeaving)
        {
            // Where it cannot be done now, there is another time.
            _ = CommitLeft(out _);
        }
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
