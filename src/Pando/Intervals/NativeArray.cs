using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Pando.Intervals;

/// <summary>
/// An array in native memory that grows and whose elements never move: who adds elements disturbs nobody who reads
/// others, and no garbage collector sees them. Elements begin with whatever was there. One thread adds at a time.
/// </summary>
/// <remarks>
/// The elements stand in pieces of 3, 12, 48, ... so that an array of few elements is small and one of many has few
/// pieces. The memory goes back with the object, when nobody can be reading any more.
/// </remarks>
internal sealed unsafe class NativeArray<T>
    where T : unmanaged
{
    private const int Pieces = 15;

    // To each piece, less what would stand before it: element i is at index i + 1 from there.
    private PieceAddresses _pieces;
    private int _pieceCount;

    ~NativeArray()
    {
        for (int piece = 0; piece < _pieceCount; piece++)
        {
            NativeMemory.Free((T*)_pieces[piece] + (1L << (2 * piece)));
        }
    }

    /// <summary>Elements that were added.</summary>
    public int Count { get; private set; }

    /// <summary>An element. The index is not checked in the ordinary build.</summary>
    public ref T this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            System.Diagnostics.Debug.Assert((uint)index < (uint)Count, "Only elements that were added are there.");
            uint place = (uint)index + 1;
            return ref Unsafe.AsRef<T>((T*)_pieces[BitOperations.Log2(place) >> 1] + place);
        }
    }

    /// <summary>Sees to it that so many elements can be added without more memory.</summary>
    /// <exception cref="OutOfMemoryException">The system has no more memory. Nothing has changed.</exception>
    public void Reserve(int more)
    {
        while ((1L << (2 * _pieceCount)) - 1 < (long)Count + more)
        {
            long first = 1L << (2 * _pieceCount);
            _pieces[_pieceCount] = (nint)((T*)NativeMemory.Alloc((nuint)(3 * first), (nuint)sizeof(T)) - first);
            _pieceCount++;
        }
    }

    /// <summary>Adds an element.</summary>
    /// <returns>Its index.</returns>
    public int Add()
    {
        Reserve(1);
        return Count++;
    }

    [InlineArray(Pieces)]
    private struct PieceAddresses
    {
        private nint _first;
    }
}
