using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using Pando.Concurrency;

namespace Pando.Tables;

/// <summary>
/// A set of processors by number, which they enter and leave by themselves and others look through, all without a lock. The
/// first 64 need no memory beside the set itself; the first of the others makes room for all.
/// </summary>
internal struct ProcessorSet
{
    /// <summary>One more than the highest number.</summary>
    public const int Capacity = 4096;

    private const int Bits = 64;

    private ulong _first;
    private ulong[]? _others;

    /// <summary>Whether nobody is in the set. Told by one read where no processor past the 64th has been in it.</summary>
    public readonly bool IsEmpty => NextFrom(0) < 0;

    /// <summary>Puts a processor in; a full barrier.</summary>
    public void Add(int processor) => Interlocked.Or(ref Word(processor), 1UL << (processor % Bits));

    /// <summary>Takes a processor out; a full barrier.</summary>
    public void Remove(int processor) => Interlocked.And(ref Word(processor), ~(1UL << (processor % Bits)));

    /// <summary>Whether a processor is in the set.</summary>
    public readonly bool Contains(int processor)
    {
        ulong word = processor < Bits ? Volatile.Read(in _first)
            : Volatile.Read(in _others) is { } others ? Volatile.Read(ref others[(processor / Bits) - 1])
            : 0;
        return (word & (1UL << (processor % Bits))) != 0;
    }

    /// <summary>The lowest processor in the set from a number on; -1 where there is none.</summary>
    public readonly int NextFrom(int processor)
    {
        if (processor < Bits)
        {
            ulong first = Volatile.Read(in _first) >> processor;
            if (first != 0)
            {
                return processor + BitOperations.TrailingZeroCount(first);
            }

            processor = Bits;
        }

        if (Volatile.Read(in _others) is not { } others)
        {
            return -1;
        }

        for (; processor < Capacity; processor = (processor | (Bits - 1)) + 1)
        {
            ulong word = Volatile.Read(ref others[(processor / Bits) - 1]) >> (processor % Bits);
            if (word != 0)
            {
                return processor + BitOperations.TrailingZeroCount(word);
            }
        }

        return -1;
    }

    /// <inheritdoc/>
    public readonly override string ToString()
    {
        var all = new List<int>();
        for (int processor = NextFrom(0); processor >= 0; processor = NextFrom(processor + 1))
        {
            all.Add(processor);
        }

        return string.Join(", ", all);
    }

    [UnscopedRef]
    private ref ulong Word(int processor)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        if (processor < Bits)
        {
            return ref _first;
        }

        var others = Volatile.Read(ref _others);
        if (others is null)
        {
            var made = new ulong[(Capacity / Bits) - 1];
            others = Interlocked.CompareExchange(ref _others, made, null) ?? made;
        }

        return ref others[(processor / Bits) - 1];
    }
}
