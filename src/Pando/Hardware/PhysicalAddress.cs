using System.Globalization;

namespace Pando.Hardware;

/// <summary>A physical address, in bytes: a place in RAM or on a memory device.</summary>
public readonly record struct PhysicalAddress(ulong Value) : IComparable<PhysicalAddress>
{
    /// <summary>Whether the address is a multiple of <paramref name="alignment"/>, a power of two.</summary>
    public bool IsAligned(long alignment) => (Value & (ulong)(alignment - 1)) == 0;

    /// <inheritdoc/>
    public int CompareTo(PhysicalAddress other) => Value.CompareTo(other.Value);

    /// <summary>The address that lies <paramref name="bytes"/> further.</summary>
    public static PhysicalAddress operator +(PhysicalAddress address, long bytes) => new(address.Value + (ulong)bytes);

    /// <summary>The distance in bytes from <paramref name="right"/> to <paramref name="left"/>.</summary>
    public static long operator -(PhysicalAddress left, PhysicalAddress right) => (long)(left.Value - right.Value);

    /// <summary>Compares by value.</summary>
    public static bool operator <(PhysicalAddress left, PhysicalAddress right) => left.Value < right.Value;

    /// <summary>Compares by value.</summary>
    public static bool operator >(PhysicalAddress left, PhysicalAddress right) => left.Value > right.Value;

    /// <summary>Compares by value.</summary>
    public static bool operator <=(PhysicalAddress left, PhysicalAddress right) => left.Value <= right.Value;

    /// <summary>Compares by value.</summary>
    public static bool operator >=(PhysicalAddress left, PhysicalAddress right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public override string ToString() => "p0x" + Value.ToString("x", CultureInfo.InvariantCulture);
}
