using System.Diagnostics;

namespace Pando.Files;

/// <summary>
/// Marks of a <see cref="DirtySet"/> that a write-back has taken. What they stand for is made durable and then they are
/// settled; they come back however else the scope ends, which needs no memory: until then their places are kept.
/// </summary>
internal readonly ref struct TakenMarks
{
    private readonly DirtySet _set;
    private readonly Store _store;

    public TakenMarks(DirtySet set, Store store)
    {
        _set = set;
        _store = store;
        store.Begin();
    }

    /// <summary>What the marks stood for, in order.</summary>
    public List<(long Offset, long Length)> Ranges => _store.Ranges;

    /// <summary>All of it is durable: the marks do not come back.</summary>
    public void Settle() => End(comeBack: false);

    /// <summary>Puts the marks back, unless they are settled.</summary>
    public void Dispose() => End(comeBack: true);

    private void End(bool comeBack)
    {
        if (_store.End())
        {
            _set.End(_store.Blocks, _store.Pages, comeBack);
        }
    }

    /// <summary>
    /// Where taken marks stand. One serves one write-back after the other: a store with MAP_SYNC may be one, and faults allocate
    /// nothing.
    /// </summary>
    internal sealed class Store
    {
        // A store with MAP_SYNC takes the marks of one leaf.
        private const int Few = 4;

        /// <summary>Whether marks are out.</summary>
        public bool IsUsed { get; private set; }

        /// <summary>Marks of 2 MiB.</summary>
        public List<DirtySet.Bits> Blocks { get; } = new(Few);

        /// <summary>Marks of 4 KiB.</summary>
        public List<DirtySet.Bits> Pages { get; } = new(Few);

        /// <summary>What they stand for.</summary>
        public List<(long Offset, long Length)> Ranges { get; } = new(Few);

        public void Begin()
        {
            Debug.Assert(!IsUsed, "One write-back at a time.");
            Blocks.Clear();
            Pages.Clear();
            Ranges.Clear();
            IsUsed = true;
        }

        /// <summary>Whether they were out until now.</summary>
        public bool End()
        {
            bool wasUsed = IsUsed;
            IsUsed = false;
            return wasUsed;
        }
    }
}
