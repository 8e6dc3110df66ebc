using System.Runtime.CompilerServices;
using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>
/// The walk that a processor makes through the tables: rights combined on the way down, accessed and dirty marks set
/// in the entries in memory (Intel SDM vol. 3A, 4.5 to 4.8), upper entries and the leaf cached. The caller holds the
/// processor's lock from before the walk until the access is made, so that a flush, which takes the same lock, comes
/// either before the walk, which then sees the changed entries, or after the access.
/// </summary>
/// <remarks>
/// Where the manual leaves it open whether a walk that ends in a fault marks the upper entries that it passed, they
/// are marked (they may be cached from here on, and only marked entries may be; SDM vol. 3A, 4.10.3.2). The leaf is
/// marked only if the access goes ahead.
/// </remarks>
internal sealed class PageWalk(TableStore store, TranslationCaches caches)
{
    private readonly EntryFormat _format = store.Format;
    private readonly TableGeometry _geometry = store.Geometry;
    private readonly bool _marks = !store.MarksByFault;
    private readonly PhysicalMemory _memory = store.Memory;
    private readonly TranslationCaches _caches = caches;

    /// <summary>Walks made.</summary>
    public long Walks { get; private set; }

    /// <summary>Walks that began at a cached upper entry.</summary>
    public long UpperHits { get; private set; }

    /// <summary>The right that an access needs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Rights NeededFor(AccessKind access) => access switch
    {
        AccessKind.Read => Rights.Read,
        AccessKind.Write => Rights.Write,
        AccessKind.Execute => Rights.Execute,
        _ => throw new ArgumentOutOfRangeException(nameof(access), access, null),
    };

    /// <summary>The error code of an access by user code, without the bits that tell the reason.</summary>
    public static PageFaultCode CodeOf(AccessKind access) => PageFaultCode.User | access switch
    {
        AccessKind.Write => PageFaultCode.Write,
        AccessKind.Execute => PageFaultCode.Fetch,
        _ => PageFaultCode.None,
    };

    /// <summary>Walks, and caches what it finds.</summary>
    /// <param name="root">The root table.</param>
    /// <param name="pcid">The context to cache under.</param>
    /// <param name="address">A canonical address.</param>
    /// <param name="access">What is tried.</param>
    /// <param name="markDirty">Whether a store follows at once, so that the leaf is to be marked dirty for it.</param>
    /// <param name="keys">The protection-key rights.</param>
    /// <param name="leaf">The leaf, as it is cached.</param>
    /// <param name="level">The level of the table that has the leaf.</param>
    /// <returns>Null where the access may be made; else the error code of the page fault.</returns>
    public PageFaultCode? Walk(
        PhysicalAddress root,
        uint pcid,
        VirtualAddress address,
        AccessKind access,
        bool markDirty,
        ProtectionKeyRights keys,
        out CachedEntry leaf,
        out int level)
    {
        leaf = default;
        Walks++;
        var table = root;
        var above = Rights.All;
        level = _geometry.Levels;
        if (_caches.TryFindUpper(address, pcid, out var upper, out int upperLevel))
        {
            UpperHits++;
            table = upper.Target;
            above = upper.Rights;
            level = upperLevel - 1;
        }

        while (true)
        {
            if (!_memory.IsRam(table))
            {
                throw new InvalidOperationException($"The walk of {address} leads to a {_geometry.NameOf(level)} table at {table}, where no RAM is; tables lie in RAM.");
            }

            int index = _geometry.Index(address.Value, level);
            ref ulong word = ref _memory.EntryAt(_memory.FrameAt(table), index);
            Schedule.Reach(SchedulePoint.EntryRead, _memory.FrameAt(table).Word(index));
            var entry = new Entry(Volatile.Read(ref word));
            bool isLeaf = _format.IsLeaf(entry, level);
            if (!isLeaf && !_format.IsSlot(entry, level))
            {
                return CodeOf(access);
            }

            if (_format.HasReservedBits(entry, level))
            {
                return CodeOf(access) | PageFaultCode.Present | PageFaultCode.Reserved;
            }

            bool store = isLeaf && access == AccessKind.Write;
            var rights = above & _format.RightsOf(entry, level);

            // Keys concern user pages only, and a page without any right is none.
            int key = isLeaf ? _format.ProtectionKeyOf(entry, level) : 0;
            bool denied = isLeaf && rights != Rights.None && keys.Denies(key, access);
            if (isLeaf && (denied || (rights & NeededFor(access)) == 0 || LacksMark(entry, level, store)))
            {
                return CodeOf(access) | PageFaultCode.Present | (denied ? PageFaultCode.ProtectionKey : 0);
            }

            var marked = _marks ? _format.Touched(entry, level, store && markDirty) : entry;
            if (marked != entry)
            {
                Schedule.Reach(SchedulePoint.EntryWrite, _memory.FrameAt(table).Word(index));
                if (Interlocked.CompareExchange(ref word, marked.Raw, entry.Raw) != entry.Raw)
                {
                    // Somebody changed the entry; look at it again.
                    continue;
                }
            }

            var target = _format.TargetOf(entry, level);
            if (isLeaf)
            {
                leaf = new CachedEntry { Host = HostOf(target, level), Target = target, Rights = rights, ProtectionKey = (byte)key, Dirty = _format.IsDirty(marked, level) };
                _caches.AddLeaf(address, pcid, level, ref leaf);
                return null;
            }

            _caches.AddUpper(address, pcid, level, target, rights);
            table = target;
            above = rights;
            level--;
        }
    }

    // Where software keeps the marks, a leaf without the one that the access needs faults (RISC-V privileged
    // architecture, Svade; Arm ARM D8.5.2).
    private bool LacksMark(Entry leaf, int level, bool store) =>
        !_marks && (!_format.IsAccessed(leaf, level) || (store && !_format.IsDirty(leaf, level)));

    // A page of which a part lies outside its memory has no bytes for us.
    private nint HostOf(PhysicalAddress page, int level)
    {
        long last = _geometry.EntrySpan(level) - 1;
        nint host = _memory.HostAddressOf(page);
        return host != 0 && _memory.HostAddressOf(page + last) == host + (nint)last ? host : 0;
    }
}
