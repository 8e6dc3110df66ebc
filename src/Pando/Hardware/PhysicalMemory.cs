using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Pando.Hardware;

/// <summary>
/// A machine's physical memory: RAM from address 0, one reserved native region that is committed as it is touched,
/// with a record for each of its frames; and the regions of memory devices, each at its own address.
/// </summary>
/// <remarks>
/// Regions are added before use and never removed while the machine lives, so that no address ever means something else;
/// one whose device has ended keeps no bytes any more. Reading and writing is safe for threads to the same degree as memory
/// is. When the machine has ended there are no bytes at all.
/// </remarks>
public sealed unsafe class PhysicalMemory
{
    private readonly NativeRegion _ram;
    private readonly NativeRegion _records;
    private readonly int _pageShift;
    private readonly int _entriesInFrame;
    private readonly Lock _regionsLock = new();

    // What RAM comes in, whatever its frames are.
    private const long RamUnit = 1L << 21;

    // Replaced as a whole under _regionsLock; read without a lock.
    private PhysicalRegion[] _regions;

    // The bytes of RAM that are there: all of them, or none when the machine has ended.
    private ulong _present;

    // Where the host keeps the bytes of the one region that it may take away. Set before the region is used.
    private (nint Start, nint Length) _vanishing;

    /// <summary>Makes a memory with <paramref name="ramBytes"/> of RAM, in frames of a geometry's page size.</summary>
    /// <param name="ramBytes">A multiple of 2 MiB, at least 2 MiB, and no more than 2^31 frames less one.</param>
    /// <param name="geometry">The shape of the tables that lie there.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    /// <exception cref="InsufficientMemoryException">The system does not give that much address space.</exception>
    internal PhysicalMemory(long ramBytes, TableGeometry geometry)
    {
        Geometry = geometry;
        _pageShift = geometry.PageShift;
        _entriesInFrame = geometry.EntriesBelowRoot;
        if (ramBytes < RamUnit || ramBytes % RamUnit != 0 || ramBytes >> _pageShift > int.MaxValue)
        {
            throw new ArgumentOutOfRangeException(
                nameof(ramBytes), ramBytes, $"RAM must be a multiple of 2 MiB, at least 2 MiB and below {((long)int.MaxValue + 1) << _pageShift >> 40} TiB.");
        }

        RamBytes = ramBytes;
        FrameCount = (int)(ramBytes >> _pageShift);
        _ram = NativeRegion.Reserve(ramBytes);
        try
        {
            _records = NativeRegion.Reserve((long)FrameCount * FrameRecord.SizeInBytes);
        }
        catch
        {
            _ram.Dispose();
            throw;
        }

        _regions = [new PhysicalRegion(new PhysicalAddress(0), ramBytes, (nint)_ram.Base, "RAM")];
        _present = (ulong)ramBytes;
    }

    /// <summary>The shape of the tables that lie here: frames are as large as its pages.</summary>
    public TableGeometry Geometry { get; }

    /// <summary>Bytes of RAM.</summary>
    public long RamBytes { get; }

    /// <summary>Where a frame lies. RAM begins at physical address 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public PhysicalAddress AddressOf(Frame frame) => new((ulong)(uint)frame.Number << _pageShift);

    /// <summary>The frame in which a physical address of RAM lies.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Frame FrameAt(PhysicalAddress address) => new((int)(address.Value >> _pageShift));

    /// <summary>Frames of RAM, frame 0 included.</summary>
    public int FrameCount { get; }

    /// <summary>All regions: RAM first, then devices in the order in which they were added. None when the machine has ended.</summary>
    public IReadOnlyList<PhysicalRegion> Regions => Volatile.Read(ref _regions);

    /// <summary>Adds a device's region.</summary>
    /// <exception cref="ArgumentException">It overlaps a region that is there.</exception>
    internal void AddRegion(PhysicalRegion region)
    {
        lock (_regionsLock)
        {
            foreach (var other in _regions)
            {
                if (region.Start < other.End && other.Start < region.End)
                {
                    throw new ArgumentException(
                        $"{region.Name} at {region.Start}-{region.End} overlaps {other.Name} at {other.Start}-{other.End}; choose another physical base.", nameof(region));
                }
            }

            if (region.MayVanish)
            {
                if (_vanishing.Length != 0)
                {
                    throw new ArgumentException("A machine has one region whose bytes the host may take away.", nameof(region));
                }

                _vanishing = (region.HostAddress, (nint)region.Length);
            }

            Volatile.Write(ref _regions, [.. _regions, region]);
        }
    }

    /// <summary>From now on the region that begins at an address has addresses but no bytes. Nobody uses its bytes any more.</summary>
    internal void TakeBytesFrom(PhysicalAddress start)
    {
        lock (_regionsLock)
        {
            Volatile.Write(ref _regions, [.. _regions.Select(region => region.Start == start ? region with { HostAddress = 0 } : region)]);
        }
    }

    /// <summary>Whether the address lies in RAM.</summary>
    public bool IsRam(PhysicalAddress address) => address.Value < (ulong)RamBytes;

    /// <summary>Whether the region of the address has bytes (a device may have none).</summary>
    public bool HasBytes(PhysicalAddress address) => HostAddressOf(address) != 0;

    /// <summary>
    /// The host's address of a physical address; 0 where there is no memory or it has no bytes. It is good for as long as the
    /// machine, and the device on which it lies.
    /// </summary>
    public nint HostAddressOf(PhysicalAddress address)
    {
        if (address.Value < _present)
        {
            return (nint)(_ram.Base + address.Value);
        }

        foreach (ref readonly var region in Volatile.Read(ref _regions).AsSpan())
        {
            if (region.Contains(address))
            {
                return region.HostAddress == 0 ? 0 : region.HostAddress + (nint)(address - region.Start);
            }
        }

        return 0;
    }

    /// <summary>The bytes at a physical address, good for as long as <see cref="HostAddressOf"/> is.</summary>
    /// <param name="address">The address of the first.</param>
    /// <param name="length">How many. They lie in one region that has bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative.</exception>
    /// <exception cref="InvalidOperationException">Not all of them lie in one region that has bytes, or the machine has ended.</exception>
    public Span<byte> Bytes(PhysicalAddress address, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (address.Value < _present && (ulong)length <= _present - address.Value)
        {
            return new Span<byte>(_ram.Base + address.Value, length);
        }

        foreach (ref readonly var region in Volatile.Read(ref _regions).AsSpan())
        {
            if (region.HostAddress != 0 && region.Contains(address) && (ulong)length <= region.End.Value - address.Value)
            {
                return new Span<byte>((void*)(region.HostAddress + (nint)(address - region.Start)), length);
            }
        }

        throw new InvalidOperationException(
            $"There are not {length:N0} bytes at {address}: no memory is there, or not as much, or a device that keeps none, or the machine has ended.");
    }

    /// <summary>Whether the host may take away what lies at a host's address (<see cref="PhysicalRegion.MayVanish"/>).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool MayVanish(nint host) => (nuint)(host - _vanishing.Start) < (nuint)_vanishing.Length;

    /// <summary>Copies a page, whose bytes are there, into a frame.</summary>
    /// <returns>False where the host has taken it away.</returns>
    internal bool TryCopyPage(PhysicalAddress source, Frame frame)
    {
        var copy = Bytes(AddressOf(frame), Geometry.PageSize);
        if (MayVanish(HostAddressOf(source)))
        {
            return KernelCopy.TryRead(HostAddressOf(source), copy);
        }

        Bytes(source, Geometry.PageSize).CopyTo(copy);
        return true;
    }

    internal Span<ulong> TableEntries(Frame table) => new(_ram.Base + ((long)table.Number << _pageShift), _entriesInFrame);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ref ulong EntryAt(Frame table, int index)
    {
        Debug.Assert((uint)table.Number < (uint)FrameCount, "Tables lie in RAM.");
        return ref Unsafe.AsRef<ulong>(_ram.Base + ((long)table.Number << _pageShift) + ((long)index * sizeof(ulong)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ref FrameRecord Record(Frame frame)
    {
        Debug.Assert((uint)frame.Number < (uint)FrameCount, "Only frames of RAM have a record.");
        return ref Unsafe.AsRef<FrameRecord>(_records.Base + ((long)frame.Number * FrameRecord.SizeInBytes));
    }

    /// <summary>Fills a frame, or a block of frames, with zeroes.</summary>
    internal void Clear(Frame frame, int order = 0) =>
        NativeMemory.Clear(_ram.Base + ((long)frame.Number << _pageShift), (nuint)1 << (_pageShift + order));

    /// <summary>Gives the memory back to the host. Nobody but the machine decides that, when nothing of it can be used any more.</summary>
    internal void Release()
    {
        _present = 0;
        Volatile.Write(ref _regions, []);
        _ram.Dispose();
        _records.Dispose();
    }
}
