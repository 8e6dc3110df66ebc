namespace Pando.Kvm.Physical;

/// <summary>One KVM memory slot: guest-physical bytes and the host memory behind them.</summary>
internal readonly record struct MemorySlot(uint Number, ulong GuestPhysical, ulong Length, nint Host, bool ReadOnly)
{
    internal ulong End => GuestPhysical + Length;

    internal bool Contains(ulong guestPhysical) => guestPhysical >= GuestPhysical && guestPhysical < End;
}
