using Pando.Tables;

namespace Pando.Machines;

/// <summary>
/// The spaces that one processor keeps translations of, each under a PCID. Protected by the processor's lock.
/// </summary>
/// <remarks>
/// A PCID is used once: to drop all of a context is to give it the next number, and what stands under the old one can
/// never be found again. When the numbers have run out the caches are emptied and counting begins anew. (Linux does
/// the same with Arm's ASIDs, arch/arm64/mm/context.c.)
/// </remarks>
internal sealed class SpaceContexts(TranslationCaches caches, int processor)
{
    /// <summary>How many spaces are kept.</summary>
    public const int Count = 8;

    /// <summary>The PCID of no space.</summary>
    public const uint NoPcid = PcidNumbers.None;

    private readonly TranslationCaches _caches = caches;
    private readonly int _processor = processor;
    private readonly Context[] _contexts = new Context[Count];
    private PcidNumbers _numbers;
    private long _clock;

    /// <summary>The slot of the space that is loaded, or -1.</summary>
    public int Current { get; private set; } = -1;

    /// <summary>The space that is loaded, or null.</summary>
    public SpaceTables? CurrentSpace => Current < 0 ? null : _contexts[Current].Space;

    /// <summary>The PCID of the space that is loaded; <see cref="NoPcid"/> where none is.</summary>
    public uint CurrentPcid => Current < 0 ? NoPcid : _contexts[Current].Pcid;

    /// <summary>The slot that keeps a space, or -1.</summary>
    public int Find(SpaceTables space)
    {
        for (int i = 0; i < Count; i++)
        {
            if (ReferenceEquals(_contexts[i].Space, space))
            {
                return i;
            }
        }

        return -1;
    }

    public SpaceTables? SpaceAt(int slot) => _contexts[slot].Space;

    public uint PcidAt(int slot) => _contexts[slot].Pcid;

    /// <summary>Loads a space, or none. Where all slots are taken, the one not loaded for longest makes room.</summary>
    /// <returns>Whether a space had to make room.</returns>
    public bool Load(SpaceTables? space)
    {
        if (space is null)
        {
            Current = -1;
            return false;
        }

        int slot = Find(space);
        bool recycled = false;
        if (slot < 0)
        {
            slot = Oldest();
            recycled = _contexts[slot].Space is not null;
            if (recycled)
            {
                Remove(slot);
            }

            // The mark stands before the first walk: who changes an entry later sees it, and who changed one before
            // is seen by the walk.
            _contexts[slot].Space = space;
            _contexts[slot].Pcid = NextPcid();
            space.MarkLoadedOn(_processor);
        }

        _contexts[slot].LastLoaded = ++_clock;
        Current = slot;
        return recycled;
    }

    /// <summary>Drops all that is cached of a context.</summary>
    public void Drop(int slot) => _contexts[slot].Pcid = NextPcid();

    /// <summary>Drops all that is cached of every context.</summary>
    public void DropAll()
    {
        _caches.Clear();
        _numbers = default;
        foreach (ref var context in _contexts.AsSpan())
        {
            if (context.Space is not null)
            {
                _numbers.TryNext(out context.Pcid);
            }
        }
    }

    /// <summary>Drops a context with all that is cached of it, and the processor's mark on the space.</summary>
    public void Remove(int slot)
    {
        ref var context = ref _contexts[slot];
        var space = context.Space!;

        // No cell can be found under the PCID from here on, and only then may flushes pass the processor by.
        context = default;
        if (Current == slot)
        {
            Current = -1;
        }

        space.MarkDroppedFrom(_processor);
    }

    private int Oldest()
    {
        int oldest = 0;
        for (int i = 1; i < Count; i++)
        {
            // An empty slot has never been loaded, so that it comes first.
            if (_contexts[i].LastLoaded < _contexts[oldest].LastLoaded)
            {
                oldest = i;
            }
        }

        return oldest;
    }

    private uint NextPcid()
    {
        if (!_numbers.TryNext(out uint number))
        {
            DropAll();
            _numbers.TryNext(out number);
        }

        return number;
    }

    private struct Context
    {
        public SpaceTables? Space;
        public uint Pcid;
        public long LastLoaded;
    }
}
