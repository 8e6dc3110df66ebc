using Pando.Files;

namespace Pando.Tests.Model;

/// <summary>What the model knows of a file: its size, which pages have storage, and its bytes.</summary>
/// <param name="paging">The pages.</param>
/// <param name="name">For messages.</param>
/// <param name="size">Bytes.</param>
/// <param name="device">Where the file's storage comes from, if it can run out.</param>
/// <param name="storage">Which page of the device each page of the file has; null where storage never runs out.</param>
internal sealed class ModelFile(ModelPage paging, string name, long size, ModelDevice? device, Dictionary<long, long>? storage)
{
    private long BlockPages => paging.InBlock;

    private Dictionary<long, byte[]> _contents = [];
    private Dictionary<long, long>? _storage = storage;

    /// <summary>For messages.</summary>
    public string Name { get; } = name;

    public long Size { get; private set; } = size;

    /// <summary>The engine's file that this stands for.</summary>
    public MappedFile? Engine { get; set; }

    public bool IsClosed { get; set; }

    /// <summary>The first offset past the last page.</summary>
    public long End => (Size + paging.Size - 1) / paging.Size * paging.Size;

    /// <summary>Whether an offset lies past the last page: a bus error.</summary>
    public bool IsPastEnd(long offset) => offset >= End;

    /// <summary>The bytes of a page, as the model keeps them; zeroes where nothing was stored.</summary>
    public byte[] Read(long page) => _contents.GetValueOrDefault(page) ?? new byte[ModelPage.Places];

    public void Write(long page, int place, byte value)
    {
        if (!_contents.TryGetValue(page, out byte[]? bytes))
        {
            _contents[page] = bytes = new byte[ModelPage.Places];
        }

        bytes[place] = value;
    }

    /// <summary>The file is written back: its metadata are durable.</summary>
    public void WrittenBack() => device?.GiveLeft();

    /// <summary>Gives a page storage before it is written; false where the device is full.</summary>
    public bool TryAllocate(long page)
    {
        if (_storage is null || _storage.ContainsKey(page))
        {
            return true;
        }

        // The file system of the engine's DAX files gives a whole 2 MiB where the hole and the device have room.
        long block = page / BlockPages * BlockPages;
        if ((block + BlockPages) * paging.Size <= Size
            && !Enumerable.Range(0, (int)BlockPages).Any(i => _storage.ContainsKey(block + i))
            && device!.Take(BlockPages, BlockPages) is >= 0 and var first)
        {
            for (long i = 0; i < BlockPages; i++)
            {
                _storage.Add(block + i, first + i);
            }

            return true;
        }

        long one = device!.Take(1, 1);
        return one >= 0 && _storage.TryAdd(page, one);
    }

    public void Resize(long size)
    {
        long before = Size;
        Size = size;
        if (size < before)
        {
            Zero(size, End);
            Drop(End / paging.Size, long.MaxValue / paging.Size);
        }
        else
        {
            // What was stored past the end, in the page that the end cut, is no part of the file.
            Zero(before, Math.Min(size, (before + paging.Size - 1) / paging.Size * paging.Size));
        }
    }

    public void Punch(long offset, long length)
    {
        long first = (offset + paging.Size - 1) / paging.Size;
        long last = (offset + length) / paging.Size;
        Zero(offset, offset + length);
        Drop(first, last);
    }

    /// <summary>Takes whole pages out, or puts a hole of whole pages in.</summary>
    public void Shift(long offset, long length, bool inserts)
    {
        long from = offset / paging.Size;
        long pages = length / paging.Size;
        if (!inserts)
        {
            Drop(from, from + pages);
            from += pages;
            pages = -pages;
        }

        _contents = _contents.ToDictionary(pair => pair.Key >= from ? pair.Key + pages : pair.Key, pair => pair.Value);
        _storage = _storage?.ToDictionary(pair => pair.Key >= from ? pair.Key + pages : pair.Key, pair => pair.Value);
        Size += inserts ? length : -length;
    }

    /// <summary>Shows what another file shows; both go their own ways from here on.</summary>
    public void Clone(ModelFile source, long sourceOffset, long offset, long length)
    {
        for (long i = 0; i < length / paging.Size; i++)
        {
            _contents[(offset / paging.Size) + i] = [.. source.Read((sourceOffset / paging.Size) + i)];
        }
    }

    private void Zero(long start, long end)
    {
        foreach (var (page, bytes) in _contents)
        {
            for (int place = 0; place < ModelPage.Places; place++)
            {
                long at = (page * paging.Size) + (place * paging.PlaceSize);
                bytes[place] = at >= start && at < end ? (byte)0 : bytes[place];
            }
        }
    }

    private void Drop(long first, long end)
    {
        foreach (long page in _contents.Keys.Where(page => page >= first && page < end).ToList())
        {
            _contents.Remove(page);
        }

        foreach (long page in _storage?.Keys.Where(page => page >= first && page < end).ToList() ?? [])
        {
            device!.Leave(_storage![page]);
            _storage.Remove(page);
        }
    }
}
