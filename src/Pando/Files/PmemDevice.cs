using Microsoft.Win32.SafeHandles;
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
            if ((alignment == Level.PageSize || length >= alignment) && Space.TryTake(length, alignment, out long start))
            {
                return new DaxFile(_store, this, name, size, [new FileExtent(0, start, length)]);
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

        return new DaxFile(_store, this, name, size, [.. extents]);
    }

    /// <summary>Writes what was stored to a range of the device to the file that backs it, and waits for it.</summary>
    public void Sync(long offset, long length)
    {
        if (Backing == PmemBacking.File)
        {
            _bytes!.Sync(offset, length);
        }
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
