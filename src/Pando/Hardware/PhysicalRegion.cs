namespace Pando.Hardware;

/// <summary>A range of physical addresses and, where it has bytes, where the host keeps them.</summary>
/// <param name="Start">The first physical address.</param>
/// <param name="Length">Bytes.</param>
/// <param name="HostAddress">The host's address of the first byte; 0 where the region has addresses but no bytes.</param>
/// <param name="Name">For messages.</param>
public readonly record struct PhysicalRegion(PhysicalAddress Start, long Length, nint HostAddress, string Name)
{
    /// <summary>The first physical address past the region.</summary>
    public PhysicalAddress End => Start + Length;

    /// <summary>Whether the address lies in the region.</summary>
    public bool Contains(PhysicalAddress address) => address >= Start && address < End;
}
