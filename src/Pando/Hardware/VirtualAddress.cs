using System.Globalization;

namespace Pando.Hardware;

/// <summary>A virtual address, in bytes.</summary>
public readonly record struct VirtualAddress(ulong Value) : IComparable<VirtualAddress>
{
    /// <summary>Rounds down to a multiple of <paramref name="alignment"/>, a power of two.</summary>
    public VirtualAddress AlignDown(long alignment) => new(Value & ~(ulong)(alignment - 1));

    /// <summary>Rounds up to a multiple of <paramref name="alignment"/>, a power of two.</summary>
    public VirtualAddress AlignUp(long alignment) => new((Value + (ulong)(alignment - 1)) & ~(ulong)(alignment - 1));

    /// <summary>Whether the address is a multiple of <paramref name="alignment"/>, a power of two.</summary>
    public bool IsAligned(long alignment) => (Value & (ulong)(alignment - 1)) == 0;

    /// <inheritdoc/>
    public int CompareTo(VirtualAddress other) => Value.CompareTo(other.Value);

    /// <summary>The address that lies <paramref name="bytes"/> further.</summary>
    public static VirtualAddress operator +(VirtualAddress address, long bytes) => new(address.Value + (ulong)bytes);

    /// <summary>The address that lies <paramref name="bytes"/> before.</summary>
    public static VirtualAddress operator -(VirtualAddress address, long bytes) => new(address.Value - (ulong)bytes);

    /// <summary>The distance in bytes from <paramref name="right"/> to <paramref name="left"/>.</summary>
    public static long operator -(VirtualAddress left, VirtualAddress right) => (long)(left.Value - right.Value);

    /// <summary>Compares by value.</summary>
    public static bool operator <(VirtualAddress left, VirtualAddress right) => left.Value < right.Value;

    /// <summary>Compares by value.</summary>
    public static bool operator >(VirtualAddress left, VirtualAddress right) => left.Value > right.Value;

    /// <summary>Compares by value.</summary>
    public static bool operator <=(VirtualAddress left, VirtualAddress right) => left.Value <= right.Value;

    /// <summary>Compares by value.</summary>
    public static bool operator >=(VirtualAddress left, VirtualAddress right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public override string ToString() => "0x" + Value.ToString("x", CultureInfo.InvariantCulture);
}
