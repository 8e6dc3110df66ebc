using Pando.Files;

namespace Pando.Tests.Durability;

/// <summary>
/// A file as a test follows it: what it has now, and every state of its size and layout that a crash may still bring back.
/// </summary>
internal sealed class DurableFile
{
    public const long Page = 4096;

    private readonly List<Version> _versions = [];

    public DurableFile(DaxFile engine, int change)
    {
        Engine = engine;
        Size = engine.Size;
        Observe();
        Changed(change);
    }

    private DurableFile(DaxFile engine)
    {
        Engine = engine;
        HasEnded = true;
        _versions = [new Version(0, 0, null), new Version(1, engine.Size, []), new Version(2, 0, null)];
    }

    /// <summary>A file that could not be made: a crash may bring it back, empty.</summary>
    public static DurableFile HalfMade(DaxFile engine) => new(engine);

    /// <summary>The file's size and pages after a change of its metadata; no pages where there is no file.</summary>
    public sealed record Version(int Change, long Size, Dictionary<long, DurableCell>? Pages);

    public DaxFile Engine { get; }

    public long Size { get; private set; }

    public bool HasEnded { get; private set; }

    /// <summary>The pages that have storage.</summary>
    public Dictionary<long, DurableCell> Pages { get; private set; } = [];

    public long End => (Size + Page - 1) & -Page;

    /// <summary>The state in which a crash leaves the file that kept its metadata up to a change; null where it may not do so.</summary>
    public Version? At(int change) => _versions.LastOrDefault(version => version.Change <= change);

    /// <summary>Whether a crash may bring back that the file leads to a page.</summary>
    public bool MayLeadTo(DurableCell cell, int committed) =>
        _versions.Where((_, i) => i + 1 == _versions.Count || _versions[i + 1].Change > committed)
            .Any(version => version.Pages?.ContainsValue(cell) is true);

    /// <summary>
    /// Looks where the engine has put what the file has: a page that has storage now is zero, one that lies elsewhere is a copy.
    /// </summary>
    public void Observe()
    {
        foreach (var extent in HasEnded ? [] : Engine.Extents)
        {
            for (long at = 0; at < extent.Length; at += Page)
            {
                long page = (extent.FileOffset + at) / Page;
                long place = extent.DeviceOffset + at;
                if (!Pages.TryGetValue(page, out var cell))
                {
                    Pages[page] = new DurableCell(place);
                }
                else if (cell.Place != place)
                {
                    Pages[page] = cell.CopyTo(place);
                }
            }
        }
    }

    /// <summary>What the file has now is its state from a change of its metadata on.</summary>
    public void Changed(int change)
    {
        var pages = HasEnded ? null : new Dictionary<long, DurableCell>(Pages);
        if (_versions.Count > 0 && _versions[^1].Change == change)
        {
            _versions.RemoveAt(_versions.Count - 1);
        }

        _versions.Add(new Version(change, Size, pages));
    }

    /// <summary>From now on no earlier state may come back.</summary>
    public void PromiseLayout() => _versions.RemoveRange(0, _versions.Count - 1);

    /// <summary>From now on no state may come back in which a page lies elsewhere.</summary>
    public void PromisePlace(long page)
    {
        int first = _versions.Count - 1;
        while (first > 0 && _versions[first - 1].Pages?.GetValueOrDefault(page) == Pages[page])
        {
            first--;
        }

        _versions.RemoveRange(0, first);
    }

    /// <summary>From now on what a range has now is there after a crash.</summary>
    public void Promise(long start, long end)
    {
        foreach (var (page, cell) in Pages)
        {
            if (page * Page < end && start < (page + 1) * Page)
            {
                cell.Promise();
            }
        }
    }

    public void Resize(long size)
    {
        long before = Size;
        Size = size;
        Drop(End / Page, long.MaxValue);
        Zero(Math.Min(size, before), size < before ? End : Math.Min(size, (before + Page - 1) & -Page));
    }

    public void Punch(long offset, long length)
    {
        Drop((offset + Page - 1) / Page, (offset + length) / Page);
        Zero(offset, offset + length);
    }

    public void Shift(long offset, long length, bool inserts)
    {
        long from = offset / Page;
        long pages = inserts ? length / Page : -length / Page;
        if (!inserts)
        {
            Drop(from, from - pages);
        }

        Pages = Pages.ToDictionary(pair => pair.Key >= from ? pair.Key + pages : pair.Key, pair => pair.Value);
        Size += inserts ? length : -length;
    }

    public void Clone(DurableFile source, long sourceOffset, long length, long offset)
    {
        var cells = Enumerable.Range(0, (int)(length / Page)).Select(page => source.Pages.GetValueOrDefault((sourceOffset / Page) + page)).ToList();
        Drop(offset / Page, (offset + length) / Page);
        for (int page = 0; page < cells.Count; page++)
        {
            if (cells[page] is { } cell)
            {
                Pages[(offset / Page) + page] = cell;
            }
        }
    }

    public void Close()
    {
        HasEnded = true;
        Pages = [];
    }

    private void Zero(long start, long end)
    {
        foreach (var (page, cell) in Pages)
        {
            for (int word = 0; word < DurableCell.Words; word++)
            {
                long at = (page * Page) + (word * DurableCell.WordDistance);
                if (at >= start && at < end && cell.Now(word) != 0)
                {
                    cell.Store(word, 0);
                }
            }
        }
    }

    private void Drop(long first, long end)
    {
        foreach (long page in Pages.Keys.Where(page => page >= first && page < end).ToList())
        {
            Pages.Remove(page);
        }
    }
}
