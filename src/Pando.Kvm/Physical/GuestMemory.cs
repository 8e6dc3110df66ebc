using System.Runtime.CompilerServices;

namespace Pando.Kvm.Physical;

/// <summary>A virtual machine's physical memory as its vCPUs see it: bytes behind addresses, and how tables are walked.</summary>
/// <remarks>Thread-safe.</remarks>
/// <param name="slots">The memory.</param>
/// <param name="levels">Levels of page tables: 4 or 5.</param>
internal sealed unsafe class GuestMemory(MemorySlots slots, int levels)
{
    private readonly MemorySlots _slots = slots;

    /// <summary>Levels of page tables: 4 or 5.</summary>
    internal int Levels { get; } = levels;

    /// <summary>
    /// Asked, on a vCPU's thread, for memory that an access leads to and no slot holds (address, bytes): true where it
    /// has attached the memory. It may take no lock that is held while a vCPU is kicked. Set before vCPUs run.
    /// </summary>
    internal Func<ulong, int, bool>? AttachMissing { get; set; }

    /// <summary>The 8 bytes at a guest-physical address; false where no slot holds it.</summary>
    internal bool TryReadPhysical(ulong guestPhysical, out ulong word)
    {
        var host = _slots.HostOf(guestPhysical & ~7UL);
        word = host != 0 ? Volatile.Read(ref Unsafe.AsRef<ulong>((void*)host)) : 0;
        return host != 0;
    }

    /// <summary>The bytes behind a guest-physical range; false where one slot does not hold all of it.</summary>
    internal bool TryGetBytes(ulong guestPhysical, int length, out Span<byte> bytes)
    {
        var host = _slots.HostOf(guestPhysical);
        bytes = host != 0 && _slots.HostOf(guestPhysical + (ulong)length - 1) == host + length - 1
            ? new Span<byte>((void*)host, length)
            : default;
        return !bytes.IsEmpty;
    }
}
