using Pando.FileSystems.Images;

namespace Pando.FileSystems.Tests;

/// <summary>An image in memory that remembers what was read of it, and how much.</summary>
internal sealed class RecordingImage(byte[] bytes, long length) : ImageSource
{
    private readonly SortedDictionary<long, int> _reads = [];

    public RecordingImage(byte[] bytes)
        : this(bytes, bytes.Length)
    {
    }

    public override string Name => "the image";

    public override long Length => length;

    public long BytesRead { get; private set; }

    /// <summary>Places that were read, with the most that was read at each.</summary>
    public IReadOnlyList<(long Offset, int Length)> Reads => [.. _reads.Select(r => (r.Key, r.Value))];

    protected override void ReadInside(long offset, Span<byte> buffer)
    {
        BytesRead += buffer.Length;
        _reads[offset] = Math.Max(_reads.GetValueOrDefault(offset), buffer.Length);
        bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
    }
}
