using Pando.Files;

namespace Pando.Tests.Model;

/// <summary>What the model knows of a file: its size, which pages have storage, and its bytes.</summary>
internal sealed class ModelFile(string name, long size, long pageSize, ModelDevice? device, HashSet<long>? allocated)
{
    private const long BlockPages = 512;

    private readonly Dictionary<long, byte[]> _contents = [];

    /// <summary>For messages.</summary>
    public string Name { get; } = name;

    /// <summary>The engine's file that this stands for.</summary>
    public MappedFile? Engine { get; set; }

    public bool IsClosed { get; set; }

    /// <summary>Whether an offset lies past the last page: a bus error.</summary>
    public bool IsPastEnd(long offset) => offset >= (size + pageSize - 1) / pageSize * pageSize;

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

    /// <summary>Gives a page storage before it is written; false where the device is full.</summary>
    public bool TryAllocate(long page)
    {
        if (allocated is null || allocated.Contains(page))
        {
            return true;
        }

        // The file system of the engine's DAX files gives a whole 2 MiB where the hole and the device have room.
        long block = page / BlockPages * BlockPages;
        if ((block + BlockPages) * ModelPage.Size <= size
            && !Enumerable.Range(0, (int)BlockPages).Any(i => allocated.Contains(block + i))
            && device!.TryTake(BlockPages, BlockPages))
        {
            for (long i = 0; i < BlockPages; i++)
            {
                allocated.Add(block + i);
            }

            return true;
        }

        return device!.TryTake(1, 1) && allocated.Add(page);
    }
}
