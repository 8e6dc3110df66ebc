namespace Pando.Tests.Durability;

/// <summary>
/// A page's contents as a test follows them, eight words of them: what they are now, and what each may be after a crash. It
/// is one for as long as the page lies in one place, whatever its offset and however many files it belongs to.
/// </summary>
/// <param name="place">Where on the device it lies.</param>
internal sealed class DurableCell(long place)
{
    public const int Words = 8;
    public const long WordDistance = 4096 / Words;

    private readonly ulong[] _current = new ulong[Words];

    // Null where a word can be nothing else than it is now.
    private readonly HashSet<ulong>?[] _allowed = new HashSet<ulong>?[Words];

    public long Place { get; } = place;

    /// <summary>A copy elsewhere, which is durable as it is now.</summary>
    public DurableCell CopyTo(long elsewhere)
    {
        var copy = new DurableCell(elsewhere);
        _current.CopyTo(copy._current, 0);
        return copy;
    }

    public ulong Now(int word) => _current[word];

    public bool Allows(int word, ulong value) => _allowed[word]?.Contains(value) ?? _current[word] == value;

    /// <summary>What may be there after a crash, for messages.</summary>
    public string Allowed(int word) => string.Join(" or ", (_allowed[word] ?? [_current[word]]).Select(value => value.ToString("x", null)));

    public void Store(int word, ulong value)
    {
        _allowed[word] ??= [_current[word]];
        _allowed[word]!.Add(value);
        _current[word] = value;
    }

    /// <summary>From now on what is there now is there after a crash.</summary>
    public void Promise(int word) => _allowed[word] = null;

    public void Promise() => Array.Clear(_allowed);
}
