using System.Diagnostics;
using System.Runtime.CompilerServices;
using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>
/// A processor in software: it loads, stores and fetches as user code through a space's page tables, as hardware
/// does, with a TLB, separate caches of upper entries, and PCIDs under which it keeps several spaces at a time.
/// </summary>
/// <remarks>
/// <para>
/// What it does is what the Intel SDM vol. 3A, chapter 4 lets a processor do; where the manual leaves a choice it
/// takes the one that shows mistakes: it keeps what it may keep, drops only what it must, and a translation that is
/// too narrow faults (4.10.4.3) rather than walks again. What is in an entry it asks the <see cref="EntryFormat"/>.
/// </para>
/// <para>
/// One thread at a time drives it (loads a space, accesses); the checked build asserts that. Any thread may call
/// <see cref="Drop"/>, <see cref="Forget"/> and <see cref="DropShared"/> at any moment: they take the processor's
/// lock, which is held from the look-up of a translation until the bytes of the access have been moved, so that when
/// they return no access uses what was dropped. No lock is held while the fault handler runs.
/// </para>
/// <para>No member but <see cref="DescribeWalk"/> and <see cref="Snapshot"/> allocates managed memory; nor does
/// <see cref="Switch"/>, but for the first time that a space is loaded on a processor past the machine's 64th.</para>
/// </remarks>
public sealed partial class SoftwareProcessor : ITranslationCache
{
    /// <summary>How many spaces' translations a processor keeps at a time.</summary>
    public const int ContextCount = SpaceContexts.Count;

    // Other threads may undo what a handler has resolved, but not this many times in a row.
    private const int MaxFaultsOfOneAccess = 10_000;

    private readonly TableStore _store;
    private readonly EntryFormat _format;
    private readonly TableGeometry _geometry;
    private readonly FaultHandler? _handler;

    // Protected by _lock.
    private readonly TranslationUnit _translations;
    private long _drops;
    private long _recycles;

    private int _lock;
    private int _driver;

    private SoftwareProcessor(TableStore store, FaultHandler? handler, int number)
    {
        _store = store;
        _format = store.Format;
        _geometry = store.Geometry;
        _handler = handler;
        Number = number;
        _translations = new TranslationUnit(store, number);
    }

    /// <summary>Makes a processor and adds it to those that flushes reach.</summary>
    /// <param name="store">The machine's tables.</param>
    /// <param name="handler">Resolves page faults; without one, every page fault goes to the caller.</param>
    /// <exception cref="InvalidOperationException">The machine has as many processors as it can have.</exception>
    internal static SoftwareProcessor Create(TableStore store, FaultHandler? handler) =>
        store.Shootdown.Make(number => new SoftwareProcessor(store, handler, number));

    private TranslationCaches Caches => _translations.Caches;

    private SpaceContexts Contexts => _translations.Contexts;

    /// <summary>The processor's number in its machine, from 0.</summary>
    public int Number { get; }

    /// <summary>
    /// The protection-key rights register (PKRU). Set by whoever drives the processor, between accesses; it belongs to
    /// the thread that runs, not to the space, and changing it flushes nothing.
    /// </summary>
    public ProtectionKeyRights ProtectionKeys
    {
        get => _translations.ProtectionKeys;
        set => _translations.ProtectionKeys = value;
    }

    /// <summary>What the processor has counted. Exact while nobody drives it.</summary>
    public ProcessorCounters Counters
    {
        get
        {
            using var held = Hold();
            return new ProcessorCounters(
                _translations.PageWalk.Walks, _translations.Hits, _translations.Misses, _translations.PageWalk.UpperHits, _translations.Faults, _drops, _recycles);
        }
    }

    /// <summary>
    /// Loads a space: the accesses that follow are made in it. What is cached of it from before stays, as with a
    /// CR3 load that has bit 63 set (SDM vol. 3A, 4.10.4.1). Null loads none.
    /// </summary>
    /// <exception cref="ArgumentException">The space is one of another machine.</exception>
    /// <exception cref="ObjectDisposedException">The space has ended, or is ending.</exception>
    public void Switch(SpaceTables? space)
    {
        if (space is not null && space.Store != _store)
        {
            throw new ArgumentException($"{space} is one of another machine; a processor loads those of its own.", nameof(space));
        }

        ObjectDisposedException.ThrowIf(space is not null && space.Root.IsNone, space!);
        using var driving = Drive();
        bool ending;
        using (Hold())
        {
            if (Contexts.Load(space))
            {
                _recycles++;
            }

            // Looked at after the mark stands: an end that begins later finds the mark and makes this processor forget.
            ending = space is { IsEnding: true };
            if (ending)
            {
                Contexts.Remove(Contexts.Current);
            }
        }

        ObjectDisposedException.ThrowIf(ending, space!);
    }

    // ---- What flushes ask ----

    /// <inheritdoc/>
    public bool Drop(SpaceTables space, AddressRange range, bool tables)
    {
        ArgumentNullException.ThrowIfNull(space);
        using var held = Hold();
        int slot = Contexts.Find(space);
        if (slot >= 0)
        {
            _drops++;
            Caches.DropRange(range, Contexts.PcidAt(slot), tables);
        }

        return slot >= 0;
    }

    /// <inheritdoc/>
    public bool Forget(SpaceTables space)
    {
        ArgumentNullException.ThrowIfNull(space);
        using var held = Hold();
        int slot = Contexts.Find(space);
        if (slot >= 0)
        {
            _drops++;
            Contexts.Remove(slot);
        }

        return slot >= 0;
    }

    /// <inheritdoc/>
    public bool DropShared(SharedTableOwner owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        using var locked = Hold();
        bool held = false;
        for (int slot = 0; slot < ContextCount; slot++)
        {
            if (Contexts.SpaceAt(slot) is { } space && space.MayShow(owner))
            {
                held = true;
                Contexts.Drop(slot);
            }
        }

        if (held)
        {
            _drops++;
        }

        return held;
    }

    // ---- What the processor's own code can drop ----

    /// <summary>
    /// INVLPG: drops the loaded space's leaf for an address, of any size, and all of its upper entries, whatever
    /// their addresses (SDM vol. 3A, 4.10.4.1).
    /// </summary>
    public void InvalidatePage(VirtualAddress address)
    {
        using var held = Hold();
        Caches.InvalidatePage(address, Contexts.CurrentPcid);
    }

    /// <summary>INVPCID type 1: drops everything of the loaded space.</summary>
    public void InvalidatePcid()
    {
        using var held = Hold();
        if (Contexts.Current >= 0)
        {
            Contexts.Drop(Contexts.Current);
        }
    }

    /// <summary>INVPCID type 2: drops everything of every space.</summary>
    public void InvalidateAll()
    {
        using var held = Hold();
        Contexts.DropAll();
    }

    // ---- Reports ----

    /// <summary>The walk of an address in the loaded space, entry by entry, and what is cached of it, as text.</summary>
    public string DescribeWalk(VirtualAddress address)
    {
        // The entries are read under the lock, which keeps the tables; the text is made after it.
        Span<Entry> entries = stackalloc Entry[_geometry.Levels];
        SpaceTables? space;
        int count;
        bool cached;
        bool upperCached;
        CachedEntry leaf;
        CachedEntry upper;
        int leafLevel;
        int upperLevel;
        using (Hold())
        {
            space = Contexts.CurrentSpace;
            count = space is null ? 0 : WalkTrace.Read(_store, space.Root, address, entries);
            cached = Caches.TryFindLeaf(address, Contexts.CurrentPcid, out leaf, out leafLevel);
            upperCached = Caches.TryFindUpper(address, Contexts.CurrentPcid, out upper, out upperLevel);
        }

        if (space is null)
        {
            return $"walk of {address}: no space is loaded";
        }

        string text = WalkTrace.Describe(_format, space.RootAddress, address, entries[..count]);
        if (cached)
        {
            text += $"{Environment.NewLine}  TLB: {_format.Geometry.NameOf(leafLevel)} leaf to {leaf.Target}, {leaf.Rights}{(leaf.Dirty ? ", dirty" : "")}";
        }

        if (upperCached)
        {
            text += $"{Environment.NewLine}  upper cache: {_format.Geometry.NameOf(upperLevel)} entry to the table at {upper.Target}, {upper.Rights}";
        }

        return text;
    }

    IEnumerable<CachedTranslation> ITranslationCache.Kept => Snapshot();

    /// <summary>All that the processor remembers at this moment.</summary>
    internal List<CachedTranslation> Snapshot()
    {
        var list = new List<CachedTranslation>();
        using var held = Hold();
        for (int slot = 0; slot < ContextCount; slot++)
        {
            if (Contexts.SpaceAt(slot) is { } space)
            {
                Caches.CollectInto(list, space, Contexts.PcidAt(slot));
            }
        }

        return list;
    }

    // ---- The lock and the driver ----

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private WordLock.Scope Hold() => WordLock.Hold(ref _lock, LockRank.Processor, Number + 1);

    /// <summary>Asserts, in the checked build, that one thread at a time drives the processor, until the scope ends.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private DriveScope Drive()
    {
        BeginDriving();
        return new DriveScope(this);
    }

    [Conditional("PANDO_CHECKED")]
    private void BeginDriving()
    {
        int other = Interlocked.CompareExchange(ref _driver, Environment.CurrentManagedThreadId, 0);
        if (other != 0)
        {
            throw new InvalidOperationException(
                $"Processor {Number} is driven by thread {other}; thread {Environment.CurrentManagedThreadId} must wait until it is done, or use a processor of its own.");
        }
    }

    [Conditional("PANDO_CHECKED")]
    private void EndDriving() => Volatile.Write(ref _driver, 0);

    private readonly ref struct DriveScope(SoftwareProcessor processor)
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose() => processor.EndDriving();
    }
}
