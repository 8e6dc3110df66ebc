using System.Runtime.InteropServices;
using Pando.Hardware;
using Pando.Machines;
using Pando.Platforms;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Seam.Tests;

/// <summary>
/// A whole processor on the public seam: it walks a space's tables, keeps every translation of 4 KiB that it has found until it is told to
/// forget it, and has page faults resolved. One thread drives it.
/// </summary>
internal sealed class TinyProcessor : IPlatformProcessor, IDisposable
{
    private readonly Machine _machine;
    private readonly ProcessorSeat _seat;

    // Held from before a walk until the bytes have been moved, and by who has it forget: an answer comes before the walk or after the access.
    private readonly Lock _lock = new();
    private readonly Dictionary<(SpaceTables Space, ulong Page), CachedTranslation> _kept = [];

    public TinyProcessor(Machine machine)
    {
        _machine = machine;
        _seat = ProcessorSeat.Take(machine, _ => this);
    }

    public Mistake Mistake { get; set; }

    public int Number => _seat.Number;

    public long Faults { get; private set; }

    public long Walks { get; private set; }

    /// <summary>Flushes that it was asked for, by kind.</summary>
    public int[] Asked { get; } = new int[Enum.GetValues<FlushKind>().Length];

    public IEnumerable<CachedTranslation> Kept
    {
        get
        {
            lock (_lock)
            {
                return [.. _kept.Values];
            }
        }
    }

    public FaultKind Load(AddressSpace space, VirtualAddress address, out ulong value)
    {
        ulong word = 0;
        var end = Access(space, address, AccessKind.Read, bytes => word = MemoryMarshal.Read<ulong>(bytes));
        value = word;
        return end;
    }

    public FaultKind Store(AddressSpace space, VirtualAddress address, ulong value) =>
        Access(space, address, AccessKind.Write, bytes => MemoryMarshal.Write(bytes, value));

    /// <summary>Forgets a space of its own accord.</summary>
    public void Unload(AddressSpace space)
    {
        lock (_lock)
        {
            if (Mistake != Mistake.UnloadsEarly)
            {
                Forget(key => key.Space == space);
            }

            _seat.Unload(space);
        }
    }

    public FlushAnswer Flush(in FlushRequest request)
    {
        lock (_lock)
        {
            Asked[(int)request.Kind]++;
            bool kept = false;
            if (Mistake != Mistake.Keeps)
            {
                foreach (var (space, page) in _kept.Keys)
                {
                    // Removing does not end the enumeration.
                    kept |= request.Concerns(space) && request.Range.Contains(new VirtualAddress(page)) && _kept.Remove((space, page));
                }
            }

            return Mistake switch
            {
                Mistake.LeavesOutAnswer => default,
                Mistake.AnswersNobody => default(FlushRequest).Answer(kept),
                _ => request.Answer(kept),
            };
        }
    }

    public void Dispose() => _seat.Dispose();

    /// <summary>Makes an access within one page; Spurious where it was made, else how its fault ended.</summary>
    private FaultKind Access(AddressSpace space, VirtualAddress address, AccessKind access, Action<Span<byte>> move)
    {
        while (true)
        {
            lock (_lock)
            {
                if (!_seat.TryLoad(space))
                {
                    return FaultKind.NotMapped;
                }

                if (TryTranslate(space, address, access, out var place))
                {
                    move(_machine.Memory.Bytes(place, sizeof(ulong)));
                    return FaultKind.Spurious;
                }
            }

            Faults++;
            var result = space.Fault(address, access);
            if (!result.IsResolved)
            {
                return result.Kind;
            }
        }
    }

    private bool TryTranslate(AddressSpace space, VirtualAddress address, AccessKind access, out PhysicalAddress place)
    {
        var needed = access == AccessKind.Write ? Rights.Write : Rights.Read;
        var key = ((SpaceTables)space, _machine.Format.Geometry.PageStart(address).Value);
        if (!_kept.TryGetValue(key, out var kept) || (kept.Rights & needed) == 0 || (access == AccessKind.Write && !kept.Dirty))
        {
            kept = default;
            using var view = _seat.View();
            do
            {
                Walks++;
                if (!view.TryWalk(space, address, out var leaf) || (leaf.Rights & needed) == 0)
                {
                    place = default;
                    return false;
                }

                if (view.TryMark(leaf, access == AccessKind.Write))
                {
                    kept = new CachedTranslation(
                        space, _machine.Format.Geometry.PageStart(address).AlignDown(leaf.PageSize), leaf.Level, IsLeaf: true, leaf.Page, leaf.Rights, ProtectionKey: 0, access == AccessKind.Write);
                }
            }
            while (kept.Space is null);
            _kept[key] = kept;
        }

        place = kept.Target + (address - kept.Address);
        return true;
    }

    private void Forget(Predicate<(SpaceTables Space, ulong Page)> which)
    {
        foreach (var key in _kept.Keys)
        {
            if (which(key))
            {
                _kept.Remove(key);
            }
        }
    }
}
