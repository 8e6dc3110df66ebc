using System.Numerics;
using System.Runtime.CompilerServices;
using Pando.Hardware;

namespace Pando.Machines;

/// <summary>
/// A direct-mapped cache of the entries of one level, tagged by address and PCID. Protected by the processor's lock.
/// </summary>
internal sealed class EntryCache
{
    // A tag has the entry's number above the PCID (an ASID has up to 16 bits). Addresses have at least 12 bits below that number, so
    // that what is lost at the upper end is a part of the sign.
    private const int PcidBits = 16;
    private const ulong PcidMask = (1UL << PcidBits) - 1;

    private readonly CachedEntry[] _cells;
    private readonly int _shift;
    private readonly int _foldShift;

    public EntryCache(TableGeometry geometry, int level, int cells)
    {
        if (!BitOperations.IsPow2(cells))
        {
            throw new ArgumentOutOfRangeException(nameof(cells), cells, "The number of cells must be a power of two.");
        }

        Level = level;
        _shift = geometry.EntryShift(level);
        _foldShift = geometry.IndexBits;
        _cells = new CachedEntry[cells];
        Clear();
    }

    /// <summary>The level of the tables whose entries are cached here.</summary>
    public int Level { get; }

    /// <summary>The cell in which the entry for an address stands, if it is cached at all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref CachedEntry Cell(VirtualAddress address, uint pcid)
    {
        // The bits of the level above are folded in, so that strides of that level's span do not all meet in one cell.
        var cells = _cells;
        ulong page = address.Value >> _shift;
        return ref cells[((int)(page ^ (page >> _foldShift)) ^ (int)pcid) & (cells.Length - 1)];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong TagOf(VirtualAddress address, uint pcid) => (address.Value >> _shift << PcidBits) | pcid;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong OffsetOf(VirtualAddress address) => address.Value & ((1UL << _shift) - 1);

    /// <summary>The first address that the entry with a tag covers.</summary>
    private VirtualAddress AddressOf(ulong tag) => new((ulong)((long)tag >> PcidBits) << _shift);

    public bool TryFind(VirtualAddress address, uint pcid, out CachedEntry entry)
    {
        entry = Cell(address, pcid);
        return entry.Tag == TagOf(address, pcid);
    }

    /// <summary>Drops the entry for one address.</summary>
    public void Drop(VirtualAddress address, uint pcid)
    {
        ref var cell = ref Cell(address, pcid);
        if (cell.Tag == TagOf(address, pcid))
        {
            cell.Tag = CachedEntry.NoTag;
        }
    }

    /// <summary>Drops all entries of a context that cover an address of the range.</summary>
    public void Drop(AddressRange range, uint pcid)
    {
        if (range.IsEmpty)
        {
            return;
        }

        ulong first = range.Start.Value >> _shift;
        ulong last = (range.End.Value - 1) >> _shift;
        if (last - first < (ulong)_cells.Length)
        {
            for (ulong page = first; page <= last; page++)
            {
                Drop(new VirtualAddress(page << _shift), pcid);
            }

            return;
        }

        foreach (ref var cell in _cells.AsSpan())
        {
            ulong page = AddressOf(cell.Tag).Value >> _shift;
            if ((cell.Tag & PcidMask) == pcid && page >= first && page <= last)
            {
                cell.Tag = CachedEntry.NoTag;
            }
        }
    }

    /// <summary>Drops all entries of a context.</summary>
    public void Drop(uint pcid)
    {
        foreach (ref var cell in _cells.AsSpan())
        {
            if ((cell.Tag & PcidMask) == pcid)
            {
                cell.Tag = CachedEntry.NoTag;
            }
        }
    }

    /// <summary>Drops everything.</summary>
    public void Clear()
    {
        foreach (ref var cell in _cells.AsSpan())
        {
            cell.Tag = CachedEntry.NoTag;
        }
    }

    /// <summary>Adds what is cached for a context to a list.</summary>
    public void CollectInto(List<(VirtualAddress Address, CachedEntry Entry)> list, uint pcid)
    {
        foreach (ref readonly var cell in _cells.AsSpan())
        {
            if (cell.Tag != CachedEntry.NoTag && (cell.Tag & PcidMask) == pcid)
            {
                list.Add((AddressOf(cell.Tag), cell));
            }
        }
    }
}
