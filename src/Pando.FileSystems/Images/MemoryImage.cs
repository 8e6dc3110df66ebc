namespace Pando.FileSystems.Images;

/// <summary>An image in memory, which is not copied.</summary>
public sealed class MemoryImage(ReadOnlyMemory<byte> bytes, string name = "the image") : ImageSource
{
    /// <inheritdoc/>
    public override string Name => name;

    /// <inheritdoc/>
    public override long Length => bytes.Length;

    /// <inheritdoc/>
    protected override void ReadInside(long offset, Span<byte> buffer) => bytes.Span.Slice((int)offset, buffer.Length).CopyTo(buffer);
}
