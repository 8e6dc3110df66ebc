using System.Runtime.CompilerServices;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>
/// What one processor remembers of page tables: a TLB for leaves and, apart from it, caches of upper entries
/// (paging-structure caches, Intel SDM vol. 3A, 4.10.2 and 4.10.3). Protected by the processor's lock.
/// </summary>
/// <remarks>
/// The two are apart because dropping one does not drop the other, which real processors do and which several
/// published bugs live in. Entries that are not present are never cached (SDM vol. 3A, 4.10.2.3).
/// </remarks>
internal sealed class TranslationCaches
{
    // About the sizes of a present core: an L2 TLB of 1,536 cells, upper caches of a few tens.
    private const int SmallCells = 512;
    private const int LargerCells = 64;
    private const int UpperPmdCells = 32;
    private const int UpperCells = 16;

    private readonly EntryCache _smallest;
    private readonly EntryCache _second;

    // Leaves of each size, from the smallest on, and upper entries by level from PMD on.
    private readonly EntryCache[] _leaves;
    private readonly EntryCache[] _leavesByLevel;
    private readonly EntryCache[] _uppers;

    public TranslationCaches(TableGeometry geometry)
    {
        _leaves = [.. geometry.LeafLevels.Select(level => new EntryCache(geometry, level, level <= Level.Pmd ? SmallCells : LargerCells))];
        _leavesByLevel = new EntryCache[Level.Pgd + 1];
        foreach (var cache in _leaves)
        {
            _leavesByLevel[cache.Level] = cache;
        }

        // Nearly every leaf is of one of the two lowest sizes. (A format with one size alone looks there twice.)
        _smallest = _leaves[0];
        _second = _leaves[Math.Min(1, _leaves.Length - 1)];
        _uppers = new EntryCache[geometry.Levels - 1];
        for (int level = Level.Pmd; level <= geometry.Levels; level++)
        {
            _uppers[level - Level.Pmd] = new EntryCache(geometry, level, level == Level.Pmd ? UpperPmdCells : UpperCells);
        }
    }

    /// <summary>
    /// The host's address for an access that can go ahead at once; 0 where that needs a closer look.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public nint FindHost(VirtualAddress address, uint pcid, Rights needed)
    {
        ref var cell = ref _second.Cell(address, pcid);
        if (cell.Tag == _second.TagOf(address, pcid) && (cell.Ready & needed) != 0 && cell.Host != 0)
        {
            return cell.Host + (nint)_second.OffsetOf(address);
        }

        cell = ref _smallest.Cell(address, pcid);
        if (cell.Tag == _smallest.TagOf(address, pcid) && (cell.Ready & needed) != 0 && cell.Host != 0)
        {
            return cell.Host + (nint)_smallest.OffsetOf(address);
        }

        return 0;
    }

    /// <summary>The cached leaf for an address, of any size.</summary>
    public bool TryFindLeaf(VirtualAddress address, uint pcid, out CachedEntry entry, out int level)
    {
        foreach (var cache in _leaves)
        {
            if (cache.TryFind(address, pcid, out entry))
            {
                level = cache.Level;
                return true;
            }
        }

        entry = default;
        level = 0;
        return false;
    }

    /// <summary>The lowest cached upper entry on the way to an address.</summary>
    public bool TryFindUpper(VirtualAddress address, uint pcid, out CachedEntry entry, out int level)
    {
        foreach (var cache in _uppers)
        {
            if (cache.TryFind(address, pcid, out entry))
            {
                level = cache.Level;
                return true;
            }
        }

        entry = default;
        level = 0;
        return false;
    }

    public void AddLeaf(VirtualAddress address, uint pcid, int level, ref CachedEntry entry)
    {
        var cache = _leavesByLevel[level];
        entry.Tag = cache.TagOf(address, pcid);
        cache.Cell(address, pcid) = entry;
    }

    public void AddUpper(VirtualAddress address, uint pcid, int level, PhysicalAddress table, Rights rights)
    {
        var cache = _uppers[level - Level.Pmd];
        ref var cell = ref cache.Cell(address, pcid);
        cell = new CachedEntry { Tag = cache.TagOf(address, pcid), Target = table, Rights = rights };
    }

    /// <summary>
    /// Drops what is cached for one address, of any size, and the upper entries on the way to it: what a page fault
    /// does, so that it does not come again for the same reason (SDM vol. 3A, 4.10.4.1).
    /// </summary>
    public void DropAddress(VirtualAddress address, uint pcid)
    {
        foreach (var cache in _leaves)
        {
            cache.Drop(address, pcid);
        }

        foreach (var cache in _uppers)
        {
            cache.Drop(address, pcid);
        }
    }

    /// <summary>INVLPG: the address's leaf of any size, and every upper entry of the context (SDM vol. 3A, 4.10.4.1).</summary>
    public void InvalidatePage(VirtualAddress address, uint pcid)
    {
        foreach (var cache in _leaves)
        {
            cache.Drop(address, pcid);
        }

        foreach (var cache in _uppers)
        {
            cache.Drop(pcid);
        }
    }

    /// <summary>Drops the leaves of a range and, if asked, the upper entries on the way to it.</summary>
    public void DropRange(AddressRange range, uint pcid, bool tables)
    {
        foreach (var cache in _leaves)
        {
            cache.Drop(range, pcid);
        }

        if (!tables)
        {
            return;
        }

        foreach (var cache in _uppers)
        {
            cache.Drop(range, pcid);
        }
    }

    /// <summary>Drops everything of every context.</summary>
    public void Clear()
    {
        foreach (var cache in _leaves)
        {
            cache.Clear();
        }

        foreach (var cache in _uppers)
        {
            cache.Clear();
        }
    }

    /// <summary>Lists what is cached for a context.</summary>
    public void CollectInto(List<CachedTranslation> list, Tables.SpaceTables space, uint pcid)
    {
        var found = new List<(VirtualAddress Address, CachedEntry Entry)>();
        foreach (var (caches, isLeaf) in new[] { (_leaves, true), (_uppers, false) })
        {
            foreach (var cache in caches)
            {
                found.Clear();
                cache.CollectInto(found, pcid);
                foreach (var (address, entry) in found)
                {
                    list.Add(new CachedTranslation(space, address, cache.Level, isLeaf, entry.Target, entry.Rights, entry.ProtectionKey, entry.Dirty));
                }
            }
        }
    }
}
