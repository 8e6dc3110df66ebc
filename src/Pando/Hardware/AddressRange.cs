namespace Pando.Hardware;

/// <summary>A range of virtual addresses, from <paramref name="Start"/> up to but not including <paramref name="End"/>.</summary>
public readonly record struct AddressRange(VirtualAddress Start, VirtualAddress End)
{
    /// <summary>The range of <paramref name="length"/> bytes from <paramref name="start"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative, or the range reaches to the end of all addresses or past it.</exception>
    public static AddressRange FromLength(VirtualAddress start, long length)
    {
        if (length < 0 || (ulong)length > ulong.MaxValue - start.Value)
        {
            ThrowNoRange(start, length);
        }

        return new(start, start + length);
    }

    /// <summary>Bytes in the range.</summary>
    public long Length => End - Start;

    /// <summary>Whether the range has no address.</summary>
    public bool IsEmpty => End <= Start;

    /// <summary>Whether the address lies in the range.</summary>
    public bool Contains(VirtualAddress address) => address >= Start && address < End;

    /// <summary>Whether all of <paramref name="other"/> lies in the range.</summary>
    public bool Contains(AddressRange other) => other.Start >= Start && other.End <= End;

    /// <summary>Whether the two have an address in common.</summary>
    public bool Overlaps(AddressRange other) => Start < other.End && other.Start < End;

    /// <summary>The addresses that both have; empty where there is none.</summary>
    public AddressRange Intersect(AddressRange other)
    {
        var start = Start > other.Start ? Start : other.Start;
        var end = End < other.End ? End : other.End;
        return end < start ? new AddressRange(start, start) : new AddressRange(start, end);
    }

    private static void ThrowNoRange(VirtualAddress start, long length) =>
        throw new ArgumentOutOfRangeException(nameof(length), length, $"There is no range of that length from {start} on: lengths are not negative, and ranges end before 2^64.");

    /// <inheritdoc/>
    public override string ToString() => $"{Start}-{End}";
}
