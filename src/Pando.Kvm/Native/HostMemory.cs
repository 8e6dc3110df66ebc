namespace Pando.Kvm.Native;

/// <summary>Zeroed host memory, page-aligned and not reserved: pages cost memory once they are touched.</summary>
/// <remarks>Not thread-safe against <see cref="Dispose"/>.</remarks>
internal sealed unsafe class HostMemory : IDisposable
{
    private nint _address;

    /// <summary>Maps <paramref name="length"/> bytes, a multiple of 4 KiB.</summary>
    /// <param name="length">Bytes.</param>
    /// <param name="largePages">
    /// True to ask the kernel for 2 MiB pages, without which a guest's 2 MiB leaf is mapped by 4 KiB pages below it.
    /// </param>
    /// <exception cref="KvmException">The kernel refused the mapping.</exception>
    internal HostMemory(ulong length, bool largePages = false)
    {
        Length = length;
        _address = LibC.Map(
            0, (nuint)length, LibC.ProtectRead | LibC.ProtectWrite,
            LibC.MapPrivate | LibC.MapAnonymous | LibC.MapNoReserve, -1, 0);
        if (_address == -1)
        {
            _address = 0;
            throw KvmException.FromErrno($"mmap of {length} bytes");
        }

        if (largePages)
        {
            // Advice: where the kernel has no large pages to give, everything works with small ones.
            _ = LibC.Advise(_address, (nuint)length, LibC.AdviseHugePage);
        }
    }

    /// <summary>The length in bytes.</summary>
    internal ulong Length { get; }

    /// <summary>The first byte's host address.</summary>
    internal nint Address => _address != 0 ? _address : throw new ObjectDisposedException(nameof(HostMemory));

    /// <summary>The 8 bytes at <paramref name="offset"/> (a multiple of 8 below <see cref="Length"/>).</summary>
    internal ref ulong Word(ulong offset)
    {
        if (offset >= Length || (offset & 7) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"not a multiple of 8 below {Length}");
        }

        return ref *(ulong*)(Address + (nint)offset);
    }

    /// <summary><paramref name="length"/> bytes from <paramref name="offset"/>.</summary>
    internal Span<byte> Bytes(ulong offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (offset > Length || Length - offset < (ulong)length)
        {
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{length} bytes do not fit below {Length}");
        }

        return new Span<byte>((void*)(Address + (nint)offset), length);
    }

    public void Dispose()
    {
        if (_address != 0)
        {
            _ = LibC.Unmap(_address, (nuint)Length);
            _address = 0;
        }
    }
}
