using System.Runtime.CompilerServices;
using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>
/// A software processor's memory-management unit: the spaces that it keeps translations of, its caches, and the walk that
/// fills them. It translates once, as hardware does before each access; who is told of a fault is the processor's affair. The
/// caller holds the processor's lock until the bytes of the access have been moved: what is found is good that long.
/// </summary>
internal sealed class TranslationUnit
{
    private readonly EntryFormat _format;
    private readonly TableGeometry _geometry;
    private readonly TranslationCaches _caches;
    private readonly SpaceContexts _contexts;
    private readonly PageWalk _walk;
    private readonly PhysicalMemory _memory;

    public TranslationUnit(TableStore store, int processor)
    {
        _format = store.Format;
        _geometry = store.Geometry;
        _memory = store.Memory;
        _caches = new TranslationCaches(_geometry);
        _contexts = new SpaceContexts(_caches, processor);
        _walk = new PageWalk(store, _caches);
    }

    /// <summary>What is cached.</summary>
    public TranslationCaches Caches => _caches;

    /// <summary>The shape of the tables.</summary>
    public TableGeometry Geometry => _geometry;

    /// <summary>The spaces of which something may be cached.</summary>
    public SpaceContexts Contexts => _contexts;

    /// <summary>The walk where nothing is cached.</summary>
    public PageWalk PageWalk => _walk;

    /// <summary>The protection-key rights register.</summary>
    public ProtectionKeyRights ProtectionKeys { get; set; }

    /// <summary>Translations of leaves that were cached.</summary>
    public long Hits { get; private set; }

    /// <summary>Translations that took a walk.</summary>
    public long Misses { get; private set; }

    /// <summary>Translations that ended in a page fault.</summary>
    public long Faults { get; private set; }

    /// <summary>Whether the host may take away what lies at its address; then the kernel copies.</summary>
    public bool MayVanish(nint host) => _memory.MayVanish(host);

    /// <summary>Finds the host's address for an access within one page; 0 where it cannot be made.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public AccessResult Locate(VirtualAddress address, AccessKind access, Rights needed, out nint host)
    {
        // With key rights in force every access takes the longer way, which looks at the leaf's key.
        host = ProtectionKeys.Value == 0 ? _caches.FindHost(address, _contexts.CurrentPcid, needed) : 0;
        if (host != 0)
        {
            Hits++;
            Schedule.Reach(SchedulePoint.Bytes);
            return default;
        }

        return LocateSlowly(address, access, out host);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private AccessResult LocateSlowly(VirtualAddress address, AccessKind access, out nint host)
    {
        var result = Translate(address, access, markDirty: true, out var spot);
        host = spot.Host;
        Schedule.Reach(SchedulePoint.Bytes);
        return result.IsCompleted && host == 0 ? new AccessResult(AccessOutcome.NoBytes, address, PageFaultCode.None) : result;
    }

    /// <summary>
    /// The same for an access that goes on in the next page. Both pages are good before either is marked dirty: a store that
    /// faults in the second has not touched the first.
    /// </summary>
    public AccessResult LocateAcross(VirtualAddress address, AccessKind access, out nint first, out nint second)
    {
        var next = _geometry.PageStart(address) + _geometry.PageSize;
        var inNext = default(Spot);
        var result = Translate(address, access, markDirty: false, out var inFirst);
        if (result.IsCompleted)
        {
            result = Translate(next, access, markDirty: false, out inNext);
        }

        if (result.IsCompleted && access == AccessKind.Write)
        {
            result = Translate(address, access, markDirty: true, out inFirst);
            if (result.IsCompleted)
            {
                result = Translate(next, access, markDirty: true, out inNext);
            }
        }

        first = inFirst.Host;
        second = inNext.Host;
        return !result.IsCompleted || (first != 0 && second != 0)
            ? result
            : new AccessResult(AccessOutcome.NoBytes, first == 0 ? address : next, PageFaultCode.None);
    }

    /// <summary>Translates once: from the TLB, or by a walk.</summary>
    /// <param name="address">The address.</param>
    /// <param name="access">The access that is meant.</param>
    /// <param name="markDirty">Whether a store follows at once, so that the leaf is marked dirty for it.</param>
    /// <param name="spot">Where the address lies.</param>
    public AccessResult Translate(VirtualAddress address, AccessKind access, bool markDirty, out Spot spot)
    {
        spot = default;
        var space = _contexts.CurrentSpace;
        if (space is null)
        {
            return new AccessResult(AccessOutcome.NoSpace, address, PageFaultCode.None);
        }

        if (!_format.IsCanonical(address))
        {
            return new AccessResult(AccessOutcome.GeneralProtection, address, PageFaultCode.None);
        }

        uint pcid = _contexts.CurrentPcid;
        PageFaultCode? fault;
        if (_caches.TryFindLeaf(address, pcid, out var leaf, out int level) && !NeedsDirtyMark(leaf, access, markDirty))
        {
            Hits++;
            bool denied = ProtectionKeys.Denies(leaf.ProtectionKey, access);
            fault = denied || (leaf.Rights & PageWalk.NeededFor(access)) == 0
                ? PageWalk.CodeOf(access) | PageFaultCode.Present | (denied ? PageFaultCode.ProtectionKey : 0)
                : null;
        }
        else
        {
            Misses++;
            fault = _walk.Walk(space.RootAddress, pcid, address, access, markDirty, ProtectionKeys, out leaf, out level);
        }

        if (fault is { } code)
        {
            // Narrower translations than memory now has may be why; they go (SDM vol. 3A, 4.10.4.1).
            Faults++;
            _caches.DropAddress(address, pcid);
            return new AccessResult(AccessOutcome.PageFault, address, code);
        }

        long offset = (long)(address.Value & (ulong)(_geometry.EntrySpan(level) - 1));
        spot = new Spot(leaf.Host == 0 ? 0 : leaf.Host + (nint)offset, leaf.Target + offset);
        return default;
    }

    // A store through a leaf that is cached as clean must mark the one in memory, which takes a walk.
    private static bool NeedsDirtyMark(in CachedEntry leaf, AccessKind access, bool markDirty) =>
        markDirty && access == AccessKind.Write && !leaf.Dirty && (leaf.Rights & Rights.Write) != 0;

    /// <summary>Where an address lies: in the host (0 where there are no bytes) and in physical memory.</summary>
    public readonly record struct Spot(nint Host, PhysicalAddress Physical);
}
