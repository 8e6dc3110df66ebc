using Pando.Exec.Native;
using Pando.Hardware;
using Pando.Machines;
using Pando.Platforms;

namespace Pando.Exec.Memory;

/// <summary>
/// The part of physical memory in which the host's files appear: a reserved range of this process's addresses, of which pieces are
/// handed out for the host to map a file at. What lies there is the host's page cache itself.
/// </summary>
/// <remarks>
/// Pieces are powers of two, at least 2 MiB, and lie at multiples of their length, so that leaves of 2 MiB fit wherever a file's
/// offsets and a piece's begin together. Thread-safe.
/// </remarks>
internal sealed class HostWindow : IDisposable
{
    /// <summary>The least piece: as much as a 2 MiB leaf shows.</summary>
    internal const int LeastShift = 21;

    /// <summary>The largest.</summary>
    internal const int MostShift = 30;

    private readonly Lock _lock = new();
    private readonly Stack<long>[] _free = new Stack<long>[MostShift + 1];
    private readonly long _length;
    private readonly nint _host;
    private readonly Action<PhysicalAddress, long> _attach;
    private long _next;

    /// <summary>Reserves the window and makes it a part of the machine's physical memory.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="length">Bytes; a multiple of the largest piece.</param>
    /// <param name="attach">Makes a part of physical memory known to the vCPUs, before it is used.</param>
    /// <exception cref="InsufficientMemoryException">The host does not give the addresses.</exception>
    internal HostWindow(Machine machine, long length, Action<PhysicalAddress, long> attach)
    {
        const long Alignment = 1L << MostShift;
        _attach = attach;
        long result = Host.Call(
            CallNumber.Mmap, 0, length + Alignment, Host.ProtectNone, Host.MapPrivate | Host.MapAnonymous | Host.MapNoReserve, -1);
        if (result < 0)
        {
            throw new InsufficientMemoryException($"The host does not give {length:N0} bytes of address space for its files (error {-result}).");
        }

        for (int shift = LeastShift; shift <= MostShift; shift++)
        {
            _free[shift] = new Stack<long>();
        }

        _reserved = ((nint)result, length + Alignment);
        _host = (nint)((result + Alignment - 1) & -Alignment);
        _length = length;
        Memory = new MemoryWindow(machine, _host, length, Alignment, "the host's files");
    }

    private readonly (nint Start, long Length) _reserved;

    /// <summary>The window as the machine knows it.</summary>
    internal MemoryWindow Memory { get; }

    /// <summary>The host's address of a place in the window.</summary>
    internal nint HostAddress(long place) => _host + (nint)place;

    /// <summary>A piece of 2^<paramref name="shift"/> bytes, in which nothing is mapped; -1 where the window is full.</summary>
    internal long Take(int shift)
    {
        long piece;
        lock (_lock)
        {
            if (!_free[shift].TryPop(out piece))
            {
                piece = Split(shift);
            }
        }

        if (piece >= 0)
        {
            _attach(Memory.Start + piece, 1L << shift);
        }

        return piece;
    }

    /// <summary>Gives a piece back, and takes what the host has mapped in it away.</summary>
    internal void Return(long piece, int shift)
    {
        _ = Host.Call(
            CallNumber.Mmap, HostAddress(piece), 1L << shift, Host.ProtectNone,
            Host.MapPrivate | Host.MapAnonymous | Host.MapNoReserve | Host.MapFixed, -1);
        lock (_lock)
        {
            _free[shift].Push(piece);
        }
    }

    public void Dispose() => _ = Host.Call(CallNumber.Munmap, _reserved.Start, _reserved.Length);

    private long Split(int shift)
    {
        for (int larger = shift + 1; larger <= MostShift; larger++)
        {
            if (_free[larger].TryPop(out long piece))
            {
                for (int part = larger - 1; part >= shift; part--)
                {
                    _free[part].Push(piece + (1L << part));
                }

                return piece;
            }
        }

        if (_length - _next < 1L << MostShift)
        {
            return -1;
        }

        _free[MostShift].Push(_next);
        _next += 1L << MostShift;
        return shift == MostShift ? _free[MostShift].Pop() : Split(shift);
    }
}
