using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Pando.Machines;

/// <summary>
/// Loads and stores at addresses of the host: the unsafe part of the software processor. An address comes from a
/// translation whose processor's lock is held, so that the page cannot be given up meanwhile, and the bytes lie
/// within that page. Whether several processors' accesses to the same bytes tear is as on the host's own hardware.
/// </summary>
internal static unsafe class HostAccess
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Read<T>(nint host)
        where T : unmanaged => Unsafe.ReadUnaligned<T>((void*)host);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write<T>(nint host, T value)
        where T : unmanaged => Unsafe.WriteUnaligned((void*)host, value);

    public static void Read(nint host, Span<byte> bytes) => new ReadOnlySpan<byte>((void*)host, bytes.Length).CopyTo(bytes);

    public static void Write(nint host, ReadOnlySpan<byte> bytes) => bytes.CopyTo(new Span<byte>((void*)host, bytes.Length));

    /// <summary>The bytes of a value.</summary>
    public static Span<byte> BytesOf<T>(ref T value)
        where T : unmanaged => MemoryMarshal.AsBytes(new Span<T>(ref value));

    /// <summary>Stores a value where another one is; gives what was there. The address is a multiple of 8.</summary>
    public static ulong Exchange(nint host, ulong value, ulong expected) => Interlocked.CompareExchange(ref *(ulong*)host, value, expected);

    /// <summary>Adds atomically; gives what was there before. The address is a multiple of 8.</summary>
    public static ulong Add(nint host, ulong addend) => Interlocked.Add(ref *(ulong*)host, addend) - addend;
}
