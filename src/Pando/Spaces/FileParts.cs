using System.Collections;
using Pando.Files;
using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>
/// Parts of files that an operation on a space works on after it has let the space's lock go. Each file is kept from
/// ending until the collection is disposed, however the operation ends.
/// </summary>
internal sealed class FileParts : IEnumerable<FileParts.Part>, IDisposable
{
    private readonly List<Part> _parts = [];

    /// <summary>A range of a file.</summary>
    public readonly record struct Part(OpenFile Opened, long Offset, long Length)
    {
        /// <summary>The file.</summary>
        public MappedFile File => Opened.File;
    }

    /// <summary>Adds what an area shows in a range of its own. Under the space's lock, which keeps the area.</summary>
    public void Add(Area area, AddressRange range)
    {
        // Room first: what has been counted must be in the list.
        _parts.EnsureCapacity(_parts.Count + 1);
        area.File!.AddUser();
        _parts.Add(new Part(area.Opened!, (long)range.Start.Value + area.Delta, range.Length));
    }

    /// <inheritdoc/>
    public IEnumerator<Part> GetEnumerator() => _parts.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Lets the files go.</summary>
    public void Dispose()
    {
        foreach (var part in _parts)
        {
            part.File.RemoveUser();
        }

        _parts.Clear();
    }
}
