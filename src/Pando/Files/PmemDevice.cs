using Microsoft.Win32.SafeHandles;
using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// A persistent-memory device: a range of physical addresses, on which <see cref="DaxFile"/>s lie. Safe for threads.
/// </summary>
public sealed class PmemDevice : IDisposable
{
    private readonly TableStore _store;
    private readonly NativeRegion? _bytes;
    private readonly SafeFileHandle? _handle;
    private readonly SleepLock _lock = new(LockRank.DeviceFiles);
    private readonly HashSet<DaxFile> _files = [];

    // Pages whose memory has failed, by device offset, sorted. Replaced as a whole; read without a lock.
    private long[] _poison = [];
    private long _metadataSyncs;

    internal PmemDevice(TableStore store, long size, PhysicalAddress start, PmemBacking backing, string? path, Frame zero)
    {
        if (size <= 0 || size % Level.PageSize != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(size), size, "A device's size must be a multiple of 4 KiB, more than zero.");
        }

        if (!start.IsAligned(Level.PageSize) || (ulong)size > (1UL << store.Format.PhysicalAddressBits) - start.Value)
        {
            throw new ArgumentOutOfRangeException(
                nameof(start), start, $"The device must begin at a multiple of 4 KiB and end within the {store.Format.PhysicalAddressBits} bits of a physical address.");
        }

        _store = store;
        Size = size;
        Start = start;
        Backing = backing;
        Path = path;
        ZeroPage = zero;
        switch (backing)
        {
            case PmemBacking.Sparse:
                _bytes = NativeRegion.Reserve(size);
                break;
            case PmemBacking.File:
                ArgumentException.ThrowIfNullOrEmpty(path);
                (_handle, _bytes) = OpenBacking(path, size);
                break;
            case PmemBacking.None:
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(backing), backing, null);
        }

        Space = new DeviceSpace(size);
        unsafe
        {
            store.Memory.AddRegion(new PhysicalRegion(start, size, _bytes is null ? 0 : (nint)_bytes.Base, "PMEM device"));
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

    /// <summary>Bytes that no file has.</summary>
    public long FreeBytes => Space.Free;

    /// <summary>Bytes that are out of use: those from which <see cref="Migrate"/> has moved files away, and those that have failed.</summary>
    public long RetiredBytes => Space.Retired;

    /// <summary>How often metadata of files have been made durable.</summary>
    public long MetadataSyncs => Interlocked.Read(ref _metadataSyncs);

    /// <summary>Called for each range before it is made durable; for tests.</summary>
    internal Action<long, long>? Syncing { get; set; }

    internal bool HasPoison => Volatile.Read(ref _poison).Length > 0;

    internal DeviceSpace Space { get; }

    /// <summary>The frame of zeroes that stands in for holes.</summary>
    internal Frame ZeroPage { get; }

    /// <summary>
    /// Makes a file that lies on the device in one piece, aligned to 1 GiB, or to 2 MiB or 4 KiB if it is smaller
    /// than that or the space does not allow more.
    /// </summary>
    /// <param name="name">The file's name, for reports.</param>
    /// <param name="size">Bytes; more than zero.</param>
    /// <exception cref="IOException">The device has no free piece of that length.</exception>
    public DaxFile CreateFile(string name, long size)
    {
        long length = RoundUp(size);
        foreach (long alignment in (ReadOnlySpan<long>)[Level.EntrySpan(Level.Pud), Level.EntrySpan(Level.Pmd), Level.PageSize])
        {
            while ((alignment == Level.PageSize || length >= alignment) && Space.TryTake(length, alignment, out long start))
            {
                var file = new DaxFile(_store, this, name, size, [new FileExtent(0, start, length)]);
                if (!Space.IsOutOfUse(start, length))
                {
                    return file;
                }

                // A migration that began since may not have seen the file.
                file.Dispose();
            }
        }

        throw new IOException($"The device has no free piece of {length:N0} bytes for '{name}'; {FreeBytes:N0} of {Size:N0} bytes are free in all.");
    }

    /// <summary>Makes a file that lies on the device as told; between the extents it has holes.</summary>
    /// <param name="name">The file's name, for reports.</param>
    /// <param name="size">Bytes; more than zero.</param>
    /// <param name="extents">Where its pieces lie: in order of file offset, none over another, whole 4 KiB pages.</param>
    /// <exception cref="ArgumentException">The extents are not of that form.</exception>
    /// <exception cref="IOException">A part of an extent belongs to another file, or lies outside the device.</exception>
    public DaxFile CreateFile(string name, long size, IReadOnlyList<FileExtent> extents)
    {
        ArgumentNullException.ThrowIfNull(extents);
        long length = RoundUp(size);
        long end = 0;
        foreach (var extent in extents)
        {
            if (((extent.FileOffset | extent.DeviceOffset | extent.Length) & (Level.PageSize - 1)) != 0
                || extent.Length <= 0 || extent.FileOffset < end || extent.FileEnd > length
                || extent.DeviceOffset < 0 || extent.DeviceOffset > long.MaxValue - extent.Length)
            {
                throw new ArgumentException(
                    $"{extent} does not fit: extents are whole 4 KiB pages, in order of file offset, none over another, within the file's {length:N0} bytes.", nameof(extents));
            }

            end = extent.FileEnd;
        }

        for (int i = 0; i < extents.Count; i++)
        {
            if (!Space.TryTakeAt(extents[i].DeviceOffset, extents[i].Length))
            {
                for (int taken = 0; taken < i; taken++)
                {
                    Space.Give(extents[taken].DeviceOffset, extents[taken].Length);
                }

                throw new IOException($"{extents[i]} of '{name}' is not free on the device of {Size:N0} bytes.");
            }
        }

        var file = new DaxFile(_store, this, name, size, extents);
        foreach (var extent in extents)
        {
            if (Space.IsOutOfUse(extent.DeviceOffset, extent.Length))
            {
                // A migration that began since may not have seen the file.
                file.Dispose();
                throw new IOException($"{extent} of '{name}' has just been taken out of use.");
            }
        }

        return file;
    }

    /// <summary>Writes what was stored to a range of the device to the file that backs it, and waits for it.</summary>
    public void Sync(long offset, long length)
    {
        Syncing?.Invoke(offset, length);
        if (Backing == PmemBacking.File)
        {
            _bytes!.Sync(offset, length);
        }
    }

    /// <summary>
    /// Moves everything that lies on a range of the device elsewhere, while processes read and write it, and takes
    /// the range out of use (say, because it is failing).
    /// </summary>
    /// <returns>
    /// EINVAL if the range is not whole 4 KiB pages of the device; ENOSPC if there is no room, and then what could be
    /// moved has been moved; EIO if a part has failed already: that part stays where it is, everything else has been moved.
    /// </returns>
    public Errno Migrate(long offset, long length)
    {
        if (offset < 0 || length <= 0 || ((offset | length) & (Level.PageSize - 1)) != 0 || offset > Size - length)
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
        return ForEachFile(file => file.HasFailedOn(offset, offset + length) ? Errno.EIO : Errno.None);
    }

    /// <summary>
    /// The memory of a page has failed: every process that touches it from now on gets a hardware-poison bus error.
    /// </summary>
    /// <returns>EINVAL if the offset is not that of a page of the device.</returns>
    public Errno Poison(long offset)
    {
        if (offset < 0 || offset >= Size || (offset & (Level.PageSize - 1)) != 0)
        {
            return Errno.EINVAL;
        }

        using (_lock.Hold())
        {
            Volatile.Write(ref _poison, [.. _poison.Append(offset).Distinct().Order()]);
        }

        // Faults see the poison from here on; who shows the page already loses it now.
        ForEachFile(file =>
        {
            file.RemovePoisoned(offset, offset + Level.PageSize);
            return Errno.None;
        });

        // Nobody is given it any more.
        Space.Retire(offset, offset + Level.PageSize);
        return Errno.None;
    }

    /// <summary>The parts of an extent whose memory has not failed.</summary>
    internal IEnumerable<FileExtent> WithoutPoison(FileExtent extent)
    {
        long[] poison = Volatile.Read(ref _poison);
        long from = extent.DeviceOffset;
        foreach (long page in poison.Where(page => page >= extent.DeviceOffset && page < extent.DeviceEnd).Append(extent.DeviceEnd))
        {
            if (page > from)
            {
                yield return ExtentMap.Slice(extent, extent.FileOffset + (from - extent.DeviceOffset), extent.FileOffset + (page - extent.DeviceOffset));
            }

            from = page + Level.PageSize;
        }
    }

    /// <summary>The parts of an extent that lie where the device is being emptied, or was: only what has failed stays there.</summary>
    internal IEnumerable<(long Start, long End)> BeingEmptied(FileExtent extent) =>
        WithoutPoison(extent).SelectMany(part => OutOfUse(part.DeviceOffset, part.DeviceEnd));

    private IEnumerable<(long Start, long End)> OutOfUse(long start, long end)
    {
        while (start < end)
        {
            var (at, length) = Space.FirstOutOfUse(start, end - start);
            if (length == 0)
            {
                yield break;
            }

            yield return (at, at + length);
            start = at + length;
        }
    }

    internal bool IsPoisoned(long offset, long length)
    {
        long[] poison = Volatile.Read(ref _poison);
        if (poison.Length == 0)
        {
            return false;
        }

        int index = Array.BinarySearch(poison, offset);
        return index >= 0 || (~index < poison.Length && poison[~index] < offset + length);
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

    /// <summary>Gives back a piece that a file had.</summary>
    internal void Give(long offset, long length) => Space.Give(offset, length);

    /// <summary>
    /// Copies bytes from one place of the device to another, and makes the copy durable: the file is about to lead there, and
    /// a store with MAP_SYNC may make that durable at any time.
    /// </summary>
    internal void Copy(long from, long to, long length)
    {
        for (long done = 0; _bytes is not null && done < length; done += Level.PageSize)
        {
            Schedule.Reach(SchedulePoint.Bytes);
            _store.Memory.Bytes(Start + from + done, Level.PageSize).CopyTo(_store.Memory.Bytes(Start + to + done, Level.PageSize));
        }

        Sync(to, length);
    }

    /// <summary>Makes the metadata of files durable. (The device keeps them in memory: this only counts.)</summary>
    internal void SyncMetadata() => Interlocked.Increment(ref _metadataSyncs);

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

    /// <summary>Fills a range of the device with zeroes.</summary>
    internal void Clear(long offset, long length)
    {
        if (_bytes is null)
        {
            return;
        }

        for (long done = 0; done < length; done += Level.PageSize)
        {
            _store.Memory.Bytes(Start + offset + done, Level.PageSize).Clear();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _bytes?.Dispose();
        _handle?.Dispose();
    }

    private static (SafeFileHandle Handle, NativeRegion Bytes) OpenBacking(string path, long size)
    {
        var handle = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);
        try
        {
            long length = RandomAccess.GetLength(handle);
            if (length == 0)
            {
                RandomAccess.SetLength(handle, size);
            }
            else if (length < size)
            {
                throw new IOException($"'{path}' has {length:N0} bytes, the device needs {size:N0}; make the file larger or the device smaller.");
            }

            return (handle, NativeRegion.MapFile(handle, size, path));
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private static long RoundUp(long size)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, long.MaxValue - Level.TableSpan(Level.Pmd));
        return (size + Level.PageSize - 1) & -(long)Level.PageSize;
    }
}
