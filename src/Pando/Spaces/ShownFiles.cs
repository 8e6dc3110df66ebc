using System.Runtime.CompilerServices;
using Pando.Costs;
using Pando.Tables;

namespace Pando.Spaces;

/// <summary>
/// The files that a space's areas show, each with its number of areas. Changed under the space's lock for writing, at a
/// cost that does not grow with the files; asked without a lock.
/// </summary>
internal sealed class ShownFiles
{
    // Open addressing, at most three quarters full. A file without areas keeps its place until the table is made anew, so that
    // who looks for another file goes on past it.
    private Slot[] _slots = [];
    private int _taken;
    private int _shown;

    /// <summary>Whether any area shows a file. True from before <see cref="Add"/> returns until <see cref="Remove"/> begins.</summary>
    public bool Contains(SharedTableOwner owner)
    {
        var slots = Volatile.Read(ref _slots);
        if (slots.Length == 0)
        {
            return false;
        }

        ref var slot = ref Find(slots, owner);
        return Volatile.Read(ref slot.Owner) is not null && Volatile.Read(ref slot.Areas) > 0;
    }

    /// <summary>Counts one area more.</summary>
    public void Add(SharedTableOwner owner)
    {
        if (4 * (_taken + 1) > 3 * _slots.Length)
        {
            Rebuild();
        }

        ref var slot = ref Find(_slots, owner);
        _shown += slot.Areas == 0 ? 1 : 0;
        Volatile.Write(ref slot.Areas, slot.Areas + 1);
        if (slot.Owner is null)
        {
            _taken++;
            Volatile.Write(ref slot.Owner, owner);
        }
    }

    /// <summary>Counts one area less. After the flush.</summary>
    public void Remove(SharedTableOwner owner)
    {
        ref var slot = ref Find(_slots, owner);
        Volatile.Write(ref slot.Areas, slot.Areas - 1);
        _shown -= slot.Areas == 0 ? 1 : 0;
        if (_taken > (2 * _shown) + 8)
        {
            Rebuild();
        }
    }

    /// <summary>Counts none any more.</summary>
    public void Clear()
    {
        Volatile.Write(ref _slots, []);
        _taken = 0;
        _shown = 0;
    }

    private void Rebuild()
    {
        // So that at least as many files again find room before the next time.
        int size = 2;
        while (3 * size < 4 * ((2 * _shown) + 1))
        {
            size *= 2;
        }

        var slots = new Slot[size];
        foreach (var slot in _slots)
        {
            Cost.Count(CostKind.Moved);
            if (slot.Areas > 0)
            {
                Find(slots, slot.Owner!) = slot;
            }
        }

        _taken = _shown;
        Volatile.Write(ref _slots, slots);
    }

    /// <summary>The place of an owner, or the empty one where it would be put.</summary>
    private static ref Slot Find(Slot[] slots, SharedTableOwner owner)
    {
        int mask = slots.Length - 1;
        for (int index = RuntimeHelpers.GetHashCode(owner) & mask; ; index = (index + 1) & mask)
        {
            Cost.Count(CostKind.Node);
            ref var slot = ref slots[index];
            if (Volatile.Read(ref slot.Owner) is not { } other || other == owner)
            {
                return ref slot;
            }
        }
    }

    private struct Slot
    {
        public SharedTableOwner? Owner;
        public int Areas;
    }
}
