using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Pando.Hardware;

/// <summary>
/// A machine's physical memory: RAM from address 0, one reserved native region that is committed as it is touched,
/// with a record for each of its frames; and the regions of memory devices, each at its own address.
/// </summary>
/// <remarks>
/// Regions are added before use and never removed while the machine lives. Reading and writing is safe for threads
/// to the same degree as memory is.
/// </remarks>
public sealed unsafe class PhysicalMemory : IDisposable
{
    private readonly NativeRegion _ram;
    private readonly NativeRegion _records;
    private PhysicalRegion[] _regions;

    /// <summary>Makes a memory with <paramref name="ramBytes"/> of RAM.</summary>
    /// <param name="ramBytes">A multiple of 2 MiB, at least 2 MiB, at most 8 TiB less 4 KiB.</param>
    public PhysicalMemory(long ramBytes)
    {
        if (ramBytes < Level.EntrySpan(Level.Pmd) || ramBytes % Level.EntrySpan(Level.Pmd) != 0 || ramBytes >> Level.PageShift > int.MaxValue)
        {
            throw new ArgumentOutOfRangeException(nameof(ramBytes), ramBytes, "RAM must be a multiple of 2 MiB, at least 2 MiB and below 8 TiB.");
        }

        RamBytes = ramBytes;
        FrameCount = (int)(ramBytes >> Level.PageShift);
        _ram = NativeRegion.Reserve(ramBytes);
        _records = NativeRegion.Reserve((long)FrameCount * FrameRecord.SizeInBytes);
        _regions = [new PhysicalRegion(new PhysicalAddress(0), ramBytes, (nint)_ram.Base, "RAM")];
    }

    /// <summary>Bytes of RAM.</summary>
    public long RamBytes { get; }

    /// <summary>Frames of RAM, frame 0 included.</summary>
    public int FrameCount { get; }

    /// <summary>All regions: RAM first, then devices in the order in which they were added.</summary>
    public IReadOnlyList<PhysicalRegion> Regions => _regions;

    /// <summary>Adds a device's region.</summary>
    /// <exception cref="ArgumentException">It overlaps a region that is there.</exception>
    public void AddRegion(PhysicalRegion region)
    {
        foreach (var other in _regions)
        {
            if (region.Start < other.End && other.Start < region.End)
            {
                throw new ArgumentException(
                    $"{region.Name} at {region.Start}-{region.End} overlaps {other.Name} at {other.Start}-{other.End}; choose another physical base.", nameof(region));
            }
        }

        _regions = [.. _regions, region];
    }

    /// <summary>Whether the address lies in RAM.</summary>
    public bool IsRam(PhysicalAddress address) => address.Value < (ulong)RamBytes;

    /// <summary>Whether the region of the address has bytes (a device may have none).</summary>
    public bool HasBytes(PhysicalAddress address) => HostAddressOf(address) != 0;

    /// <summary>The host's address of a physical address; 0 where there is no memory or it has no bytes.</summary>
    public nint HostAddressOf(PhysicalAddress address)
    {
        if (address.Value < (ulong)RamBytes)
        {
            return (nint)(_ram.Base + address.Value);
        }

        foreach (ref readonly var region in _regions.AsSpan())
        {
            if (region.Contains(address))
            {
                return region.HostAddress == 0 ? 0 : region.HostAddress + (nint)(address - region.Start);
            }
        }

        return 0;
    }

    /// <summary>The bytes at a physical address. They must lie in one region that has bytes.</summary>
    public Span<byte> Bytes(PhysicalAddress address, int length)
    {
        nint host = HostAddressOf(address);
        if (host == 0)
        {
            throw new InvalidOperationException($"There are no bytes at {address}: no memory is there, or a device that keeps none.");
        }

        return new Span<byte>((void*)host, length);
    }

    internal Span<ulong> TableEntries(Frame table) => new(_ram.Base + ((long)table.Number << Level.PageShift), Level.Entries);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ref ulong EntryAt(Frame table, int index)
    {
        Debug.Assert((uint)table.Number < (uint)FrameCount, "Tables lie in RAM.");
        return ref Unsafe.AsRef<ulong>(_ram.Base + ((long)table.Number << Level.PageShift) + ((long)index * sizeof(ulong)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ref FrameRecord Record(Frame frame)
    {
        Debug.Assert((uint)frame.Number < (uint)FrameCount, "Only frames of RAM have a record.");
        return ref Unsafe.AsRef<FrameRecord>(_records.Base + ((long)frame.Number * FrameRecord.SizeInBytes));
    }

    /// <summary>Fills a frame, or a 2 MiB page, with zeroes.</summary>
    internal void Clear(Frame frame, int order = 0) =>
        NativeMemory.Clear(_ram.Base + ((long)frame.Number << Level.PageShift), (nuint)Level.PageSize << order);

    /// <inheritdoc/>
    public void Dispose()
    {
        _ram.Dispose();
        _records.Dispose();
    }
}
