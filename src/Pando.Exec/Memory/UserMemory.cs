using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Exec.Memory;

/// <summary>
/// Copies between programs' memory and this process, as the programs' own loads and stores would be made: with their faults, their
/// rights, and the marks that they leave. Every address is a program's: what it cannot have is refused. Thread-safe.
/// </summary>
/// <param name="machine">The machine.</param>
internal sealed class UserMemory(Machine machine)
{
    private readonly Platforms.UserMemory _memory = new(machine);

    /// <summary>Copies from a program. All or an error; what was copied before the error may be there.</summary>
    internal bool TryRead(AddressSpace space, ulong address, Span<byte> bytes) =>
        IsUser(space, address, (ulong)bytes.Length) && _memory.Read(space, new VirtualAddress(address), bytes).IsCompleted;

    /// <summary>Copies to a program.</summary>
    internal bool TryWrite(AddressSpace space, ulong address, ReadOnlySpan<byte> bytes) =>
        IsUser(space, address, (ulong)bytes.Length) && _memory.Write(space, new VirtualAddress(address), bytes).IsCompleted;

    /// <summary>Copies as much as there is before the first byte that cannot be had.</summary>
    /// <returns>How many bytes.</returns>
    internal int ReadSome(AddressSpace space, ulong address, Span<byte> bytes)
    {
        ulong room = address >= space.UserEnd.Value ? 0 : space.UserEnd.Value - address;
        bytes = bytes[..(int)Math.Min((ulong)bytes.Length, room)];
        if (bytes.IsEmpty)
        {
            return 0;
        }

        var result = _memory.Read(space, new VirtualAddress(address), bytes);
        return result.IsCompleted ? bytes.Length : (int)Math.Min(result.Address.Value - address, (ulong)bytes.Length);
    }

    /// <summary>A value.</summary>
    internal bool TryRead<T>(AddressSpace space, ulong address, out T value)
        where T : unmanaged
    {
        value = default;
        return TryRead(space, address, MemoryMarshal.AsBytes(new Span<T>(ref value)));
    }

    /// <summary>Stores a value.</summary>
    internal bool TryWrite<T>(AddressSpace space, ulong address, T value)
        where T : unmanaged => TryWrite(space, address, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(ref value)));

    /// <summary>Text up to its zero byte.</summary>
    /// <param name="space">The program's space.</param>
    /// <param name="address">Where it begins.</param>
    /// <param name="most">The most bytes, the zero included.</param>
    /// <param name="error">Why there is none: EFAULT, or ENAMETOOLONG.</param>
    /// <returns>The text with its zero.</returns>
    internal byte[]? ReadText(AddressSpace space, ulong address, int most, out long error)
    {
        var bytes = new byte[Math.Min(256, most)];
        int count = 0;
        while (true)
        {
            int part = Math.Min(bytes.Length - count, (int)(UserPage.Size - ((address + (ulong)count) & (UserPage.Size - 1))));
            if (!TryRead(space, address + (ulong)count, bytes.AsSpan(count, part)))
            {
                error = -Native.Error.EFAULT;
                return null;
            }

            int end = bytes.AsSpan(count, part).IndexOf((byte)0);
            if (end >= 0)
            {
                error = 0;
                Array.Resize(ref bytes, count + end + 1);
                return bytes;
            }

            count += part;
            if (count == most)
            {
                error = -Native.Error.ENAMETOOLONG;
                return null;
            }

            if (count == bytes.Length)
            {
                Array.Resize(ref bytes, Math.Min(bytes.Length * 4, most));
            }
        }
    }

    /// <summary>Adds to, or exchanges, a word of 4 bytes in one step, as futex operations do.</summary>
    /// <param name="space">The program's space.</param>
    /// <param name="address">A multiple of 4.</param>
    /// <param name="change">From what was there to what is to be.</param>
    /// <param name="before">What was there.</param>
    internal bool TryChange(AddressSpace space, ulong address, Func<uint, uint> change, out uint before)
    {
        // Eight aligned bytes hold the word; they are exchanged as a whole by the processor's atomic addition.
        before = 0;
        ulong word = address & ~7UL;
        int shift = (int)(address & 4) * 8;
        if (!IsUser(space, word, 8))
        {
            return false;
        }

        return _memory.Exchange(
            space,
            new VirtualAddress(word),
            seen => (seen & ~(0xFFFF_FFFFUL << shift)) | ((ulong)change((uint)(seen >> shift)) << shift),
            out ulong all).IsCompleted && Set(out before, (uint)(all >> shift));

        static bool Set(out uint target, uint value)
        {
            target = value;
            return true;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsUser(AddressSpace space, ulong address, ulong length) =>
        length <= space.UserEnd.Value && address <= space.UserEnd.Value - length;
}
