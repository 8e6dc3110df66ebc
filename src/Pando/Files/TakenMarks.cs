namespace Pando.Files;

/// <summary>
/// Marks of a <see cref="DirtySet"/> that a write-back has taken. What they stand for is made durable and then they are
/// settled; they come back however else the scope ends, which needs no memory: until then their places are kept.
/// </summary>
internal sealed class TakenMarks : IDisposable
{
    private readonly DirtySet _set;
    private readonly List<DirtySet.Bits> _blocks;
    private readonly List<DirtySet.Bits> _pages;
    private bool _isOver;

    public TakenMarks(DirtySet set, List<DirtySet.Bits> blocks, List<DirtySet.Bits> pages)
    {
        _set = set;
        _blocks = blocks;
        _pages = pages;
        Ranges = set.RangesOf(blocks, pages);
    }

    /// <summary>What the marks stood for, in order.</summary>
    public IReadOnlyList<(long Offset, long Length)> Ranges { get; }

    /// <summary>All of it is durable: the marks do not come back.</summary>
    public void Settle() => End(comeBack: false);

    /// <summary>Puts the marks back, unless they are settled.</summary>
    public void Dispose() => End(comeBack: true);

    private void End(bool comeBack)
    {
        if (!_isOver)
        {
            _isOver = true;
            _set.End(_blocks, _pages, comeBack);
        }
    }
}
