namespace Pando.Hardware;

/// <summary>A range of physical addresses and, where it has bytes, where the host keeps them.</summary>
/// <param name="Start">The first physical address.</param>
/// <param name="Length">Bytes.</param>
/// <param name="HostAddress">The host's address of the first byte; 0 where the region has addresses but no bytes.</param>
/// <param name="Name">For messages.</param>
public readonly record struct PhysicalRegion(PhysicalAddress Start, long Length, nint HostAddress, string Name)
{
    /// <summary>
    /// Whether the host may take bytes of the region away while it is there, as it does with a file of the host's that is
    /// truncated: whoever touches them then gets a signal. They are copied by the kernel, which gives an error instead.
    /// </summary>
    public bool MayVanish { get; init; }

    /// <summary>The first physical address past the region.</summary>
    public PhysicalAddress End => Start + Length;

    /// <summary>Whether the address lies in the region.</summary>
    public bool Contains(PhysicalAddress address) => address >= Start && address < End;
}
