using Pando.Hardware;
using Pando.Machines;

namespace Pando.Platforms;

/// <summary>
/// A region of physical memory whose bytes a platform lays out itself: it has reserved a range of the host's addresses, and maps there what it
/// likes, piece by piece, for files that it shows (<see cref="WindowFile"/>). A machine has one.
/// </summary>
/// <remarks>
/// What the host maps there may go while it is shown, as when a file of the host's is truncated: the library itself touches the window's bytes only
/// by copies that the kernel makes, which then fail, so that an access is a bus error and no signal comes to this process.
/// </remarks>
public sealed class MemoryWindow
{
    /// <summary>Makes the window a part of a machine's physical memory, behind all that is there.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="host">The host's address of its first byte; a multiple of <paramref name="alignment"/>. It stays the caller's, and reserved until the machine has ended.</param>
    /// <param name="length">Bytes; a multiple of <paramref name="alignment"/>, more than none.</param>
    /// <param name="alignment">What its physical address is a multiple of; a power of two, at least the page size.</param>
    /// <param name="name">For messages.</param>
    /// <exception cref="ArgumentException">The machine has a window already, or a number is none.</exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public MemoryWindow(Machine machine, nint host, long length, long alignment, string name)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentException.ThrowIfNullOrEmpty(name);
        machine.ThrowIfEnded();
        if (!long.IsPow2(alignment) || alignment < machine.Format.Geometry.PageSize || length <= 0 || length % alignment != 0 || host == 0 || host % alignment != 0)
        {
            throw new ArgumentException("The address and the length of a window are multiples of its alignment, which is a power of two and no less than a page.", nameof(alignment));
        }

        ulong end = machine.Memory.Regions.Max(static region => region.End.Value);
        Machine = machine;
        Length = length;
        Start = new PhysicalAddress((end + (ulong)alignment - 1) & ~(ulong)(alignment - 1));
        machine.Memory.AddRegion(new PhysicalRegion(Start, length, host, name) { MayVanish = true });
    }

    /// <summary>The machine.</summary>
    public Machine Machine { get; }

    /// <summary>Its first physical address.</summary>
    public PhysicalAddress Start { get; }

    /// <summary>Bytes.</summary>
    public long Length { get; }
}
