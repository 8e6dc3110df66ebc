using System.Diagnostics;
using System.Runtime.CompilerServices;
using Pando.Concurrency;
using Pando.Hardware;
using Pando.Spaces;
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
public sealed class SoftwareProcessor : ITranslationCache
{
    /// <summary>How many spaces' translations a processor keeps at a time.</summary>
    public const int ContextCount = SpaceContexts.Count;

    // Other threads may undo what a handler has resolved, but not this many times in a row.
    private const int MaxFaultsOfOneAccess = 10_000;

    private readonly TableStore _store;
    private readonly EntryFormat _format;
    private readonly FaultHandler? _handler;

    // Protected by _lock.
    private readonly TranslationCaches _caches;
    private readonly SpaceContexts _contexts;
    private readonly PageWalk _walk;
    private long _tlbHits;
    private long _tlbMisses;
    private long _faults;
    private long _drops;
    private long _recycles;

    private int _lock;
    private int _driver;

    private SoftwareProcessor(TableStore store, FaultHandler? handler, int number)
    {
        _store = store;
        _format = store.Format;
        _handler = handler;
        Number = number;
        _caches = new TranslationCaches(_format);
        _contexts = new SpaceContexts(_caches, number);
        _walk = new PageWalk(store, _caches);
    }

    /// <summary>Makes a processor and adds it to those that flushes reach.</summary>
    /// <param name="store">The machine's tables.</param>
    /// <param name="handler">Resolves page faults; without one, every page fault goes to the caller.</param>
    /// <exception cref="InvalidOperationException">The machine has as many processors as it can have.</exception>
    internal static SoftwareProcessor Create(TableStore store, FaultHandler? handler) =>
        store.Shootdown.Make(number => new SoftwareProcessor(store, handler, number));

    /// <summary>The processor's number in its machine, from 0.</summary>
    public int Number { get; }

    /// <summary>
    /// The protection-key rights register (PKRU). Set by whoever drives the processor, between accesses; it belongs to
    /// the thread that runs, not to the space, and changing it flushes nothing.
    /// </summary>
    public ProtectionKeyRights ProtectionKeys { get; set; }

    /// <summary>What the processor has counted. Exact while nobody drives it.</summary>
    public ProcessorCounters Counters
    {
        get
        {
            using var held = Hold();
            return new ProcessorCounters(_walk.Walks, _tlbHits, _tlbMisses, _walk.UpperHits, _faults, _drops, _recycles);
        }
    }

    // ---- Spaces ----

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
            if (_contexts.Load(space))
            {
                _recycles++;
            }

            // Looked at after the mark stands: an end that begins later finds the mark and makes this processor forget.
            ending = space is { IsEnding: true };
            if (ending)
            {
                _contexts.Remove(_contexts.Current);
            }
        }

        ObjectDisposedException.ThrowIf(ending, space!);
    }

    // ---- Accesses ----

    /// <summary>Loads a value. It may lie across two pages.</summary>
    /// <param name="address">The address of its first byte; any alignment.</param>
    /// <param name="value">The value; the default where the load was not made.</param>
    /// <param name="delivery">Who is told of page faults.</param>
    /// <typeparam name="T">Its bytes are loaded as they stand in memory; at most 4 KiB.</typeparam>
    /// <exception cref="ArgumentException">The value has more than 4 KiB.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The delivery is none.</exception>
    public AccessResult TryRead<T>(VirtualAddress address, out T value, FaultDelivery delivery = FaultDelivery.ToHandler)
        where T : unmanaged => Load(address, AccessKind.Read, Rights.Read, out value, delivery);

    /// <summary>Fetches code: a load that needs the right to execute.</summary>
    /// <inheritdoc cref="TryRead{T}(VirtualAddress, out T, FaultDelivery)"/>
    public AccessResult TryFetch<T>(VirtualAddress address, out T value, FaultDelivery delivery = FaultDelivery.ToHandler)
        where T : unmanaged => Load(address, AccessKind.Execute, Rights.Execute, out value, delivery);

    /// <summary>Stores a value. Where it lies across two pages, both are translated before a byte is stored.</summary>
    /// <param name="address">The address of its first byte; any alignment.</param>
    /// <param name="value">The value.</param>
    /// <param name="delivery">Who is told of page faults.</param>
    /// <typeparam name="T">Its bytes are stored as they are; at most 4 KiB.</typeparam>
    /// <exception cref="ArgumentException">The value has more than 4 KiB.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The delivery is none.</exception>
    public AccessResult TryWrite<T>(VirtualAddress address, T value, FaultDelivery delivery = FaultDelivery.ToHandler)
        where T : unmanaged
    {
        if (address.PageOffset > Level.PageSize - Unsafe.SizeOf<T>())
        {
            return StoreAcross(address, value, delivery);
        }

        RequireKnown(delivery);
        using var driving = Drive();
        int faults = 0;
        while (true)
        {
            AccessResult result;
            using (Hold())
            {
                result = Locate(address, AccessKind.Write, Rights.Write, out nint host);
                if (host != 0)
                {
                    HostMemory.Write(host, value);
                }
            }

            if (!IsResolved(ref result, AccessKind.Write, delivery, ref faults))
            {
                return result;
            }
        }
    }

    /// <summary>Adds to a value in memory in one atomic step, as LOCK XADD does.</summary>
    /// <param name="address">The value's address; a multiple of 8.</param>
    /// <param name="addend">What to add.</param>
    /// <param name="before">The value before.</param>
    /// <param name="delivery">Who is told of page faults.</param>
    /// <exception cref="ArgumentException">The address is no multiple of 8. Split locks are not modelled.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The delivery is none.</exception>
    public AccessResult TryAdd(VirtualAddress address, ulong addend, out ulong before, FaultDelivery delivery = FaultDelivery.ToHandler)
    {
        if (!address.IsAligned(sizeof(ulong)))
        {
            throw new ArgumentException($"An atomic access needs an address that is a multiple of 8, not {address}.", nameof(address));
        }

        RequireKnown(delivery);
        using var driving = Drive();
        int faults = 0;
        while (true)
        {
            AccessResult result;
            using (Hold())
            {
                result = Locate(address, AccessKind.Write, Rights.Write, out nint host);
                before = host != 0 ? HostMemory.Add(host, addend) : 0;
            }

            if (!IsResolved(ref result, AccessKind.Write, delivery, ref faults))
            {
                return result;
            }
        }
    }

    /// <summary>
    /// Loads bytes, page by page in the order of their addresses, as REP MOVSB does. Where it fails, the bytes before
    /// the result's address have been loaded.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The delivery is none.</exception>
    public AccessResult TryRead(VirtualAddress address, Span<byte> bytes, FaultDelivery delivery = FaultDelivery.ToHandler)
    {
        RequireKnown(delivery);
        using var driving = Drive();
        int faults = 0;
        while (!bytes.IsEmpty)
        {
            int length = Math.Min(bytes.Length, Level.PageSize - address.PageOffset);
            AccessResult result;
            using (Hold())
            {
                result = Locate(address, AccessKind.Read, Rights.Read, out nint host);
                if (host != 0)
                {
                    HostMemory.Read(host, bytes[..length]);
                }
            }

            if (result.IsCompleted)
            {
                bytes = bytes[length..];
                address += length;
                faults = 0;
            }
            else if (!IsResolved(ref result, AccessKind.Read, delivery, ref faults))
            {
                return result;
            }
        }

        return default;
    }

    /// <summary>
    /// Stores bytes, page by page in the order of their addresses, as REP MOVSB does. Where it fails, the bytes before
    /// the result's address have been stored.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The delivery is none.</exception>
    public AccessResult TryWrite(VirtualAddress address, ReadOnlySpan<byte> bytes, FaultDelivery delivery = FaultDelivery.ToHandler)
    {
        RequireKnown(delivery);
        using var driving = Drive();
        int faults = 0;
        while (!bytes.IsEmpty)
        {
            int length = Math.Min(bytes.Length, Level.PageSize - address.PageOffset);
            AccessResult result;
            using (Hold())
            {
                result = Locate(address, AccessKind.Write, Rights.Write, out nint host);
                if (host != 0)
                {
                    HostMemory.Write(host, bytes[..length]);
                }
            }

            if (result.IsCompleted)
            {
                bytes = bytes[length..];
                address += length;
                faults = 0;
            }
            else if (!IsResolved(ref result, AccessKind.Write, delivery, ref faults))
            {
                return result;
            }
        }

        return default;
    }

    /// <summary>
    /// Translates an address as an access would, with all that it leaves behind (marks, cached entries), but moves
    /// no bytes: for memory that keeps none.
    /// </summary>
    /// <param name="address">The address.</param>
    /// <param name="access">The access that is meant; a store marks the leaf dirty.</param>
    /// <param name="physical">Where the address lies at this moment.</param>
    /// <param name="delivery">Who is told of page faults.</param>
    /// <exception cref="ArgumentOutOfRangeException">The access or the delivery is none.</exception>
    public AccessResult TryTranslate(
        VirtualAddress address, AccessKind access, out PhysicalAddress physical, FaultDelivery delivery = FaultDelivery.ToHandler)
    {
        if (access is < AccessKind.Read or > AccessKind.Execute)
        {
            throw new ArgumentOutOfRangeException(nameof(access), access, null);
        }

        RequireKnown(delivery);
        using var driving = Drive();
        int faults = 0;
        while (true)
        {
            AccessResult result;
            using (Hold())
            {
                result = Translate(address, access, markDirty: true, out var spot);
                physical = spot.Physical;
            }

            if (!IsResolved(ref result, access, delivery, ref faults))
            {
                return result;
            }
        }
    }

    // ---- What flushes ask ----

    /// <inheritdoc/>
    public bool Drop(SpaceTables space, AddressRange range, bool tables)
    {
        ArgumentNullException.ThrowIfNull(space);
        using var held = Hold();
        int slot = _contexts.Find(space);
        if (slot >= 0)
        {
            _drops++;
            _caches.DropRange(range, _contexts.PcidAt(slot), tables);
        }

        return slot >= 0;
    }

    /// <inheritdoc/>
    public bool Forget(SpaceTables space)
    {
        ArgumentNullException.ThrowIfNull(space);
        using var held = Hold();
        int slot = _contexts.Find(space);
        if (slot >= 0)
        {
            _drops++;
            _contexts.Remove(slot);
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
            if (_contexts.SpaceAt(slot) is { } space && space.MayShow(owner))
            {
                held = true;
                _contexts.Drop(slot);
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
        _caches.InvalidatePage(address, _contexts.CurrentPcid);
    }

    /// <summary>INVPCID type 1: drops everything of the loaded space.</summary>
    public void InvalidatePcid()
    {
        using var held = Hold();
        if (_contexts.Current >= 0)
        {
            _contexts.Drop(_contexts.Current);
        }
    }

    /// <summary>INVPCID type 2: drops everything of every space.</summary>
    public void InvalidateAll()
    {
        using var held = Hold();
        _contexts.DropAll();
    }

    // ---- Reports ----

    /// <summary>The walk of an address in the loaded space, entry by entry, and what is cached of it, as text.</summary>
    public string DescribeWalk(VirtualAddress address)
    {
        // The entries are read under the lock, which keeps the tables; the text is made after it.
        Span<Entry> entries = stackalloc Entry[_format.Levels];
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
            space = _contexts.CurrentSpace;
            count = space is null ? 0 : WalkTrace.Read(_store, space.Root, address, entries);
            cached = _caches.TryFindLeaf(address, _contexts.CurrentPcid, out leaf, out leafLevel);
            upperCached = _caches.TryFindUpper(address, _contexts.CurrentPcid, out upper, out upperLevel);
        }

        if (space is null)
        {
            return $"walk of {address}: no space is loaded";
        }

        string text = WalkTrace.Describe(_format, space.RootAddress, address, entries[..count]);
        if (cached)
        {
            text += $"{Environment.NewLine}  TLB: {Level.Name(leafLevel)} leaf to {leaf.Target}, {leaf.Rights}{(leaf.Dirty ? ", dirty" : "")}";
        }

        if (upperCached)
        {
            text += $"{Environment.NewLine}  upper cache: {Level.Name(upperLevel)} entry to the table at {upper.Target}, {upper.Rights}";
        }

        return text;
    }

    /// <summary>All that the processor remembers at this moment.</summary>
    internal List<CachedTranslation> Snapshot()
    {
        var list = new List<CachedTranslation>();
        using var held = Hold();
        for (int slot = 0; slot < ContextCount; slot++)
        {
            if (_contexts.SpaceAt(slot) is { } space)
            {
                _caches.CollectInto(list, space, _contexts.PcidAt(slot));
            }
        }

        return list;
    }

    // ---- Accesses, within ----

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private AccessResult Load<T>(VirtualAddress address, AccessKind access, Rights needed, out T value, FaultDelivery delivery)
        where T : unmanaged
    {
        if (address.PageOffset > Level.PageSize - Unsafe.SizeOf<T>())
        {
            return LoadAcross(address, access, out value, delivery);
        }

        RequireKnown(delivery);
        using var driving = Drive();
        int faults = 0;
        while (true)
        {
            AccessResult result;
            using (Hold())
            {
                result = Locate(address, access, needed, out nint host);
                value = host != 0 ? HostMemory.Read<T>(host) : default;
            }

            if (!IsResolved(ref result, access, delivery, ref faults))
            {
                return result;
            }
        }
    }

    /// <summary>
    /// Finds the host's address for an access within one page. Under the lock; the address is good while it is held.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private AccessResult Locate(VirtualAddress address, AccessKind access, Rights needed, out nint host)
    {
        // With key rights in force every access takes the longer way, which looks at the leaf's key.
        host = ProtectionKeys.Value == 0 ? _caches.FindHost(address, _contexts.CurrentPcid, needed) : 0;
        if (host != 0)
        {
            _tlbHits++;
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

    [MethodImpl(MethodImplOptions.NoInlining)]
    private AccessResult LoadAcross<T>(VirtualAddress address, AccessKind access, out T value, FaultDelivery delivery)
        where T : unmanaged
    {
        value = default;
        var bytes = HostMemory.BytesOf(ref value);
        RequireOnePageAtMost(bytes.Length);
        RequireKnown(delivery);
        using var driving = Drive();
        int faults = 0;
        while (true)
        {
            AccessResult result;
            using (Hold())
            {
                result = TranslateAcross(address, access, out var first, out var second);
                if (result.IsCompleted)
                {
                    int inFirst = Level.PageSize - address.PageOffset;
                    HostMemory.Read(first.Host, bytes[..inFirst]);
                    HostMemory.Read(second.Host, bytes[inFirst..]);
                }
            }

            if (!IsResolved(ref result, access, delivery, ref faults))
            {
                return result;
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private AccessResult StoreAcross<T>(VirtualAddress address, T value, FaultDelivery delivery)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = HostMemory.BytesOf(ref value);
        RequireOnePageAtMost(bytes.Length);
        RequireKnown(delivery);
        using var driving = Drive();
        int faults = 0;
        while (true)
        {
            AccessResult result;
            using (Hold())
            {
                result = TranslateAcross(address, AccessKind.Write, out var first, out var second);
                if (result.IsCompleted)
                {
                    int inFirst = Level.PageSize - address.PageOffset;
                    HostMemory.Write(first.Host, bytes[..inFirst]);
                    HostMemory.Write(second.Host, bytes[inFirst..]);
                }
            }

            if (!IsResolved(ref result, AccessKind.Write, delivery, ref faults))
            {
                return result;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RequireKnown(FaultDelivery delivery)
    {
        if (delivery is < FaultDelivery.ToHandler or > FaultDelivery.ToCaller)
        {
            throw new ArgumentOutOfRangeException(nameof(delivery), delivery, "A fault is delivered to the handler or to the caller.");
        }
    }

    private static void RequireOnePageAtMost(int length)
    {
        if (length > Level.PageSize)
        {
            throw new ArgumentException($"One access has at most {Level.PageSize:N0} bytes, not {length:N0}; move more as a span of bytes.");
        }
    }

    // Both pages are good before either is marked dirty: a store that faults in the second has not touched the first.
    private AccessResult TranslateAcross(VirtualAddress address, AccessKind access, out Spot first, out Spot second)
    {
        var next = address.PageStart + Level.PageSize;
        second = default;
        var result = Translate(address, access, markDirty: false, out first);
        if (result.IsCompleted)
        {
            result = Translate(next, access, markDirty: false, out second);
        }

        if (result.IsCompleted && access == AccessKind.Write)
        {
            result = Translate(address, access, markDirty: true, out first);
            if (result.IsCompleted)
            {
                result = Translate(next, access, markDirty: true, out second);
            }
        }

        if (!result.IsCompleted || (first.Host != 0 && second.Host != 0))
        {
            return result;
        }

        return new AccessResult(AccessOutcome.NoBytes, first.Host == 0 ? address : next, PageFaultCode.None);
    }

    /// <summary>Translates once, as hardware does: from the TLB, or by a walk. Under the lock.</summary>
    private AccessResult Translate(VirtualAddress address, AccessKind access, bool markDirty, out Spot spot)
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
            _tlbHits++;
            bool denied = ProtectionKeys.Denies(leaf.ProtectionKey, access);
            fault = denied || (leaf.Rights & PageWalk.NeededFor(access)) == 0
                ? PageWalk.CodeOf(access) | PageFaultCode.Present | (denied ? PageFaultCode.ProtectionKey : 0)
                : null;
        }
        else
        {
            _tlbMisses++;
            fault = _walk.Walk(space.RootAddress, pcid, address, access, markDirty, ProtectionKeys, out leaf, out level);
        }

        if (fault is { } code)
        {
            // Narrower translations than memory now has may be why; they go (SDM vol. 3A, 4.10.4.1).
            _faults++;
            _caches.DropAddress(address, pcid);
            return new AccessResult(AccessOutcome.PageFault, address, code);
        }

        long offset = (long)(address.Value & (ulong)(Level.EntrySpan(level) - 1));
        spot = new Spot(leaf.Host == 0 ? 0 : leaf.Host + (nint)offset, leaf.Target + offset);
        return default;
    }

    // A store through a leaf that is cached as clean must mark the one in memory, which takes a walk.
    private static bool NeedsDirtyMark(in CachedEntry leaf, AccessKind access, bool markDirty) =>
        markDirty && access == AccessKind.Write && !leaf.Dirty && (leaf.Rights & Rights.Write) != 0;

    /// <summary>Lets the handler resolve a page fault, if that is how an access ended. Without the lock.</summary>
    /// <returns>True where the access is to be made again; else the result says how it ended.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsResolved(ref AccessResult result, AccessKind access, FaultDelivery delivery, ref int faults) =>
        result.Outcome == AccessOutcome.PageFault && AskHandler(ref result, access, delivery, ref faults);

    private bool AskHandler(ref AccessResult fault, AccessKind access, FaultDelivery delivery, ref int faults)
    {
        if (delivery == FaultDelivery.ToCaller || _handler is null)
        {
            return false;
        }

        if ((fault.Code & PageFaultCode.ProtectionKey) != 0)
        {
            // Decided by the register alone (Linux: access_error looks at X86_PF_PK before anything is resolved).
            fault = fault with { Outcome = AccessOutcome.DeniedByKey };
            return false;
        }

        if (++faults > MaxFaultsOfOneAccess)
        {
            throw new InvalidOperationException(
                $"A fault at {fault.Address} ({access}, code {fault.Code}) was resolved {MaxFaultsOfOneAccess:N0} times and is still there: the handler does not do what it says. {DescribeWalk(fault.Address)}");
        }

        // Null where the space has ended since the access.
        if (_contexts.CurrentSpace is not { } space)
        {
            fault = new AccessResult(AccessOutcome.NoSpace, fault.Address, PageFaultCode.None);
            return false;
        }

        var answer = _handler(space, fault.Address, access, ProtectionKeys);
        if (answer.IsResolved)
        {
            return true;
        }

        fault = fault with
        {
            Outcome = answer.Kind switch
            {
                FaultKind.NotMapped => AccessOutcome.NotMapped,
                FaultKind.NotAllowed => AccessOutcome.NotAllowed,
                FaultKind.DeniedByKey => AccessOutcome.DeniedByKey,
                FaultKind.BusError => AccessOutcome.BusError,
                FaultKind.HardwarePoison => AccessOutcome.HardwarePoison,
                _ => AccessOutcome.OutOfMemory,
            },
        };
        return false;
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

    /// <summary>Where an address lies: in the host (0 where there are no bytes) and in physical memory.</summary>
    private readonly record struct Spot(nint Host, PhysicalAddress Physical);
}
