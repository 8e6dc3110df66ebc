namespace Pando.FileSystems.Images;

/// <summary>The bytes of an image. Safe for use by several threads.</summary>
public abstract class ImageSource : IDisposable
{
    /// <summary>What it is called in messages.</summary>
    public abstract string Name { get; }

    /// <summary>Bytes, as it was opened.</summary>
    public abstract long Length { get; }

    /// <summary>Fills the buffer with what stands at an offset.</summary>
    /// <exception cref="FileSystemException"><see cref="FileSystemRefusal.ImageTooShort"/> if the image ends before,
    /// <see cref="FileSystemRefusal.Unreadable"/> if the host cannot read it.</exception>
    public void Read(long offset, Span<byte> buffer)
    {
        if (offset < 0 || offset > Length - buffer.Length)
        {
            throw new FileSystemException(FileSystemRefusal.ImageTooShort, $"{Name} has {Length} bytes, and what is looked for at {offset} lies past its end.");
        }

        ReadInside(offset, buffer);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>The same, of a range that lies inside of the image.</summary>
    protected abstract void ReadInside(long offset, Span<byte> buffer);

    /// <summary>Gives back what it holds.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}
