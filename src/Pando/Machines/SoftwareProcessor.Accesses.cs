using System.Runtime.CompilerServices;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Machines;

/// <content>Accesses: each is a structure that says what is done under the lock; one method makes all of them.</content>
public sealed partial class SoftwareProcessor
{
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
        if (IsInOnePage<T>(address))
        {
            var store = new StoreAccess<T>(address, value);
            return Complete(ref store, delivery);
        }

        var across = new StoreAcrossAccess<T>(address, value);
        return Complete(ref across, delivery);
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

        var add = new AddAccess(address, addend);
        var result = Complete(ref add, delivery);
        before = add.Before;
        return result;
    }

    /// <summary>Changes a value in memory in one atomic step, as a loop of LOCK CMPXCHG does.</summary>
    /// <param name="address">The value's address; a multiple of 8.</param>
    /// <param name="change">What it becomes, from what was there; called again where another thread was quicker. It accesses no memory of the machine.</param>
    /// <param name="before">The value before.</param>
    /// <param name="delivery">Who is told of page faults.</param>
    /// <exception cref="ArgumentException">The address is no multiple of 8. Split locks are not modelled.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The delivery is none.</exception>
    public AccessResult TryExchange(VirtualAddress address, Func<ulong, ulong> change, out ulong before, FaultDelivery delivery = FaultDelivery.ToHandler)
    {
        ArgumentNullException.ThrowIfNull(change);
        if (!address.IsAligned(sizeof(ulong)))
        {
            throw new ArgumentException($"An atomic access needs an address that is a multiple of 8, not {address}.", nameof(address));
        }

        var exchange = new ExchangeAccess(address, change);
        var result = Complete(ref exchange, delivery);
        before = exchange.Before;
        return result;
    }

    /// <summary>
    /// Loads bytes, page by page in the order of their addresses, as REP MOVSB does. Where it fails, the bytes before
    /// the result's address have been loaded.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The delivery is none.</exception>
    public AccessResult TryRead(VirtualAddress address, Span<byte> bytes, FaultDelivery delivery = FaultDelivery.ToHandler)
    {
        RequireKnown(delivery);
        var result = default(AccessResult);
        while (!bytes.IsEmpty && result.IsCompleted)
        {
            int length = Math.Min(bytes.Length, _geometry.PageSize - _geometry.OffsetInPage(address.Value));
            var load = new LoadBytesAccess(address, bytes[..length]);
            result = Complete(ref load, delivery);
            bytes = bytes[length..];
            address += length;
        }

        return result;
    }

    /// <summary>
    /// Stores bytes, page by page in the order of their addresses, as REP MOVSB does. Where it fails, the bytes before
    /// the result's address have been stored.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The delivery is none.</exception>
    public AccessResult TryWrite(VirtualAddress address, ReadOnlySpan<byte> bytes, FaultDelivery delivery = FaultDelivery.ToHandler)
    {
        RequireKnown(delivery);
        var result = default(AccessResult);
        while (!bytes.IsEmpty && result.IsCompleted)
        {
            int length = Math.Min(bytes.Length, _geometry.PageSize - _geometry.OffsetInPage(address.Value));
            var store = new StoreBytesAccess(address, bytes[..length]);
            result = Complete(ref store, delivery);
            bytes = bytes[length..];
            address += length;
        }

        return result;
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

        var translate = new TranslateAccess(address, access);
        var result = Complete(ref translate, delivery);
        physical = translate.Physical;
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private AccessResult Load<T>(VirtualAddress address, AccessKind kind, Rights needed, out T value, FaultDelivery delivery)
        where T : unmanaged
    {
        AccessResult result;
        if (IsInOnePage<T>(address))
        {
            var load = new LoadAccess<T>(address, kind, needed);
            result = Complete(ref load, delivery);
            value = load.Value;
            return result;
        }

        var across = new LoadAcrossAccess<T>(address, kind);
        result = Complete(ref across, delivery);
        value = across.Value;
        return result;
    }

    /// <summary>Makes an access, again and again while the handler resolves its faults.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private AccessResult Complete<TAccess>(ref TAccess access, FaultDelivery delivery)
        where TAccess : struct, IProcessorAccess, allows ref struct
    {
        RequireKnown(delivery);
        using var driving = Drive();
        int faults = 0;
        while (true)
        {
            AccessResult result;
            using (Hold())
            {
                result = access.Make(_translations);
            }

            if (result.Outcome != AccessOutcome.PageFault || !AskHandler(ref result, access.Kind, delivery, ref faults))
            {
                return result;
            }
        }
    }

    /// <summary>Lets the handler resolve a page fault. Without the lock.</summary>
    /// <returns>True where the access is to be made again; else the result says how it ended.</returns>
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
        if (_translations.Contexts.CurrentSpace is not { } space)
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsInOnePage<T>(VirtualAddress address) => _geometry.OffsetInPage(address.Value) <= _geometry.PageSize - Unsafe.SizeOf<T>();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RequireKnown(FaultDelivery delivery)
    {
        if (delivery is < FaultDelivery.ToHandler or > FaultDelivery.ToCaller)
        {
            throw new ArgumentOutOfRangeException(nameof(delivery), delivery, "A fault is delivered to the handler or to the caller.");
        }
    }

    private static void RequireOnePageAtMost(TableGeometry geometry, int length)
    {
        if (length > geometry.PageSize)
        {
            throw new ArgumentException($"One access has at most {geometry.PageSize:N0} bytes, not {length:N0}; move more as a span of bytes.");
        }
    }

    private struct LoadAccess<T>(VirtualAddress address, AccessKind kind, Rights needed) : IProcessorAccess
        where T : unmanaged
    {
        public T Value;

        public readonly AccessKind Kind => kind;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public AccessResult Make(TranslationUnit translations)
        {
            var result = translations.Locate(address, kind, needed, out nint host);
            Value = host != 0 ? HostAccess.Read<T>(host) : default;
            return result;
        }
    }

    private readonly struct StoreAccess<T>(VirtualAddress address, T value) : IProcessorAccess
        where T : unmanaged
    {
        public AccessKind Kind => AccessKind.Write;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public AccessResult Make(TranslationUnit translations)
        {
            var result = translations.Locate(address, AccessKind.Write, Rights.Write, out nint host);
            if (host != 0)
            {
                HostAccess.Write(host, value);
            }

            return result;
        }
    }

    private struct AddAccess(VirtualAddress address, ulong addend) : IProcessorAccess
    {
        public ulong Before;

        public readonly AccessKind Kind => AccessKind.Write;

        public AccessResult Make(TranslationUnit translations)
        {
            var result = translations.Locate(address, AccessKind.Write, Rights.Write, out nint host);
            Before = host != 0 ? HostAccess.Add(host, addend) : 0;
            return result;
        }
    }

    private struct ExchangeAccess(VirtualAddress address, Func<ulong, ulong> change) : IProcessorAccess
    {
        public ulong Before;

        public readonly AccessKind Kind => AccessKind.Write;

        public AccessResult Make(TranslationUnit translations)
        {
            var result = translations.Locate(address, AccessKind.Write, Rights.Write, out nint host);
            if (host == 0)
            {
                return result;
            }

            // Where the host may take the bytes away: are they there now?
            ulong seen = 0;
            if (translations.MayVanish(host) && !KernelCopy.TryRead(host, HostAccess.BytesOf(ref seen)))
            {
                return new AccessResult(AccessOutcome.BusError, address, PageFaultCode.None);
            }

            seen = HostAccess.Read<ulong>(host);
            while (true)
            {
                Before = HostAccess.Exchange(host, change(seen), seen);
                if (Before == seen)
                {
                    return result;
                }

                seen = Before;
            }
        }
    }

    private readonly ref struct LoadBytesAccess(VirtualAddress address, Span<byte> bytes) : IProcessorAccess
    {
        private readonly Span<byte> _bytes = bytes;

        public AccessKind Kind => AccessKind.Read;

        public AccessResult Make(TranslationUnit translations)
        {
            var result = translations.Locate(address, AccessKind.Read, Rights.Read, out nint host);
            if (host == 0)
            {
                return result;
            }

            if (translations.MayVanish(host))
            {
                return KernelCopy.TryRead(host, _bytes) ? result : new AccessResult(AccessOutcome.BusError, address, PageFaultCode.None);
            }

            HostAccess.Read(host, _bytes);
            return result;
        }
    }

    private readonly ref struct StoreBytesAccess(VirtualAddress address, ReadOnlySpan<byte> bytes) : IProcessorAccess
    {
        private readonly ReadOnlySpan<byte> _bytes = bytes;

        public AccessKind Kind => AccessKind.Write;

        public AccessResult Make(TranslationUnit translations)
        {
            var result = translations.Locate(address, AccessKind.Write, Rights.Write, out nint host);
            if (host == 0)
            {
                return result;
            }

            if (translations.MayVanish(host))
            {
                return KernelCopy.TryWrite(host, _bytes) ? result : new AccessResult(AccessOutcome.BusError, address, PageFaultCode.None);
            }

            HostAccess.Write(host, _bytes);
            return result;
        }
    }

    private struct LoadAcrossAccess<T>(VirtualAddress address, AccessKind kind) : IProcessorAccess
        where T : unmanaged
    {
        public T Value;

        public readonly AccessKind Kind => kind;

        [MethodImpl(MethodImplOptions.NoInlining)]
        public AccessResult Make(TranslationUnit translations)
        {
            var bytes = HostAccess.BytesOf(ref Value);
            RequireOnePageAtMost(translations.Geometry, bytes.Length);
            var result = translations.LocateAcross(address, kind, out nint first, out nint second);
            if (result.IsCompleted)
            {
                int inFirst = translations.Geometry.PageSize - translations.Geometry.OffsetInPage(address.Value);
                HostAccess.Read(first, bytes[..inFirst]);
                HostAccess.Read(second, bytes[inFirst..]);
            }

            return result;
        }
    }

    private struct StoreAcrossAccess<T>(VirtualAddress address, T value) : IProcessorAccess
        where T : unmanaged
    {
        private T _value = value;

        public readonly AccessKind Kind => AccessKind.Write;

        [MethodImpl(MethodImplOptions.NoInlining)]
        public AccessResult Make(TranslationUnit translations)
        {
            ReadOnlySpan<byte> bytes = HostAccess.BytesOf(ref _value);
            RequireOnePageAtMost(translations.Geometry, bytes.Length);
            var result = translations.LocateAcross(address, AccessKind.Write, out nint first, out nint second);
            if (result.IsCompleted)
            {
                int inFirst = translations.Geometry.PageSize - translations.Geometry.OffsetInPage(address.Value);
                HostAccess.Write(first, bytes[..inFirst]);
                HostAccess.Write(second, bytes[inFirst..]);
            }

            return result;
        }
    }

    private struct TranslateAccess(VirtualAddress address, AccessKind kind) : IProcessorAccess
    {
        public PhysicalAddress Physical;

        public readonly AccessKind Kind => kind;

        public AccessResult Make(TranslationUnit translations)
        {
            var result = translations.Translate(address, kind, markDirty: true, out var spot);
            Physical = spot.Physical;
            return result;
        }
    }
}
