namespace Pando.Files;

/// <summary>
/// Marks of a <see cref="DirtySet"/> that a write-back has taken. What they stand for is made durable and then they are
/// settled; they come back however else the scope ends.
/// </summary>
internal sealed class TakenMarks : IDisposable
{
    private readonly DirtySet _set;
    private readonly List<(long Offset, long Length)> _blocks;
    private readonly List<(long Offset, long Length)> _pages;
    private bool _settled;

    public TakenMarks(DirtySet set, List<(long Offset, long Length)> blocks, List<(long Offset, long Length)> pages)
    {
        _set = set;
        _blocks = blocks;
        _pages = pages;
        Ranges = [.. blocks.Concat(pages).Order()];
    }

    /// <summary>What the marks stood for, in order.</summary>
    public IReadOnlyList<(long Offset, long Length)> Ranges { get; }

    /// <summary>All of it is durable: the marks do not come back.</summary>
    public void Settle() => _settled = true;

    /// <summary>Puts the marks back, unless they are settled.</summary>
    public void Dispose()
    {
        if (!_settled)
        {
            _set.PutBack(_blocks, _pages);
            _settled = true;
        }
    }
}
