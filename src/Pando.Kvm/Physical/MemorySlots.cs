using Pando.Kvm.Native;

namespace Pando.Kvm.Physical;

/// <summary>A virtual machine's physical memory: which host memory stands at which guest-physical address.</summary>
/// <remarks>
/// Thread-safe; readers take no lock. A slot costs the kernel memory and time in proportion to its length where it
/// must track what it shadows (docs/kvm-findings.md: about 10 bytes a 4 KiB page and 5 ms a GiB), so attach what is
/// used rather than what exists.
/// </remarks>
internal sealed unsafe class MemorySlots(int vm, ulong maximumSlotLength = MemorySlots.MaximumSlotLength)
{
    /// <summary>
    /// Bytes per slot. KVM refuses more than 2^31 - 1 pages (KVM_MEM_MAX_NR_PAGES, linux/kvm_host.h), 8 TiB less a
    /// page; half of that keeps every slot aligned as well as the region is.
    /// </summary>
    internal const ulong MaximumSlotLength = 1UL << 42;

    private const ulong PageMask = 4095;

    private readonly Lock _lock = new();
    private readonly Stack<uint> _freeNumbers = new();
    private MemorySlot[] _slots = []; // sorted by address; replaced as a whole under the lock
    private uint _nextNumber;
    private MemorySlot? _marker;

    /// <summary>Attaches host memory, in as many slots as its length needs.</summary>
    /// <param name="guestPhysical">Where: a multiple of 4 KiB.</param>
    /// <param name="length">Bytes: a multiple of 4 KiB, not 0.</param>
    /// <param name="host">The host memory, page-aligned, mapped until it is removed or the machine disposed.</param>
    /// <param name="readOnly">A guest's write then exits instead of changing memory.</param>
    /// <exception cref="ArgumentException">Not aligned, empty, or overlapping memory that is attached already.</exception>
    internal void Add(ulong guestPhysical, ulong length, nint host, bool readOnly)
    {
        if (length == 0 || ((guestPhysical | length | (ulong)host) & PageMask) != 0 || guestPhysical + length < guestPhysical)
        {
            throw new ArgumentException(
                $"memory of {length} bytes at guest-physical {guestPhysical:x}, host {host:x}: base, length and host address must be multiples of 4 KiB, the length not 0");
        }

        lock (_lock)
        {
            foreach (var slot in _slots)
            {
                if (guestPhysical < slot.End && slot.GuestPhysical < guestPhysical + length)
                {
                    throw new ArgumentException(
                        $"guest-physical {guestPhysical:x} to {guestPhysical + length:x} overlaps the memory at {slot.GuestPhysical:x} to {slot.End:x}");
                }
            }

            for (ulong done = 0; done < length;)
            {
                var piece = Math.Min(length - done, maximumSlotLength);
                var number = _freeNumbers.Count > 0 ? _freeNumbers.Pop() : _nextNumber++;
                var slot = new MemorySlot(number, guestPhysical + done, piece, host + (nint)done, readOnly);
                Set(slot, slot.Length);
                _slots = [.. _slots.Append(slot).OrderBy(static s => s.GuestPhysical)];
                done += piece;
            }
        }
    }

    /// <summary>Takes away all slots in a range that was added as a whole or in whole pieces. No vCPU may need them.</summary>
    internal void Remove(ulong guestPhysical, ulong length)
    {
        lock (_lock)
        {
            foreach (var slot in _slots.Where(s => s.GuestPhysical >= guestPhysical && s.End <= guestPhysical + length).ToArray())
            {
                Set(slot, 0);
                _freeNumbers.Push(slot.Number);
                _slots = [.. _slots.Where(s => s.Number != slot.Number)];
            }
        }
    }

    /// <summary>
    /// Moves a slot of one page that nothing uses between two guest-physical places: KVM then forgets all that it
    /// derived from any table of the machine, running vCPUs included, before the call returns.
    /// </summary>
    /// <remarks>
    /// Linux arch/x86/kvm/x86.c, kvm_arch_flush_shadow_memslot: a slot that is deleted or moved zaps every shadow page
    /// of the machine (KVM_X86_QUIRK_SLOT_ZAP_ALL, api.rst 7.28, on unless a user turns it off).
    /// </remarks>
    /// <param name="marker">Two pages of guest-physical memory that are the marker's alone; always the same.</param>
    /// <param name="host">The page behind it.</param>
    internal void MoveMarker(ulong marker, nint host)
    {
        lock (_lock)
        {
            _marker ??= NewMarker(marker, host);
            _marker = _marker.Value with { GuestPhysical = _marker.Value.GuestPhysical == marker ? marker + 4096 : marker };
            Set(_marker.Value, _marker.Value.Length);
        }
    }

    /// <summary>The slots, by address.</summary>
    internal IReadOnlyList<MemorySlot> All => Volatile.Read(ref _slots);

    /// <summary>The host address of a guest-physical one, or 0 where no slot holds it.</summary>
    internal nint HostOf(ulong guestPhysical)
    {
        foreach (var slot in Volatile.Read(ref _slots))
        {
            if (slot.Contains(guestPhysical))
            {
                return slot.Host + (nint)(guestPhysical - slot.GuestPhysical);
            }
        }

        return 0;
    }

    private MemorySlot NewMarker(ulong marker, nint host)
    {
        var slot = new MemorySlot(_nextNumber++, marker, 4096, host, ReadOnly: false);
        Set(slot, slot.Length);
        return slot;
    }

    private void Set(MemorySlot slot, ulong length)
    {
        var region = new KvmMemoryRegion
        {
            Slot = slot.Number,
            Flags = slot.ReadOnly ? KvmMemoryRegion.ReadOnlyFlag : 0,
            GuestPhysical = slot.GuestPhysical,
            Length = length,
            HostAddress = (ulong)slot.Host,
        };
        if (LibC.Ioctl(vm, KvmRequest.SetUserMemoryRegion, &region) < 0)
        {
            throw KvmException.FromErrno(
                $"KVM_SET_USER_MEMORY_REGION of slot {slot.Number}, {length} bytes at guest-physical {slot.GuestPhysical:x}");
        }
    }
}
