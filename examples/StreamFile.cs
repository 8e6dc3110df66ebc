using Pando;
using Pando.Machines;
using Pando.Platforms;

namespace Examples;

/// <summary>
/// A file whose pages come from a stream of any kind, and go back there. Others may change the stream, and how long it is, at any time: whoever
/// hears of that calls <see cref="Follow"/>.
/// </summary>
public sealed class StreamFile(Machine machine, string name, Stream stream)
    : ProvidedFile(machine, name, stream.Length, writesBack: stream.CanWrite)
{
    // A stream has one position. No lock of the file's is known here.
    private readonly Lock _lock = new();

    /// <summary>The stream has changed: by its length, and in a range.</summary>
    public Errno Follow(long offset, long length)
    {
        // First the size, up or down; then what processes still show of the range and of the page in which the old end was.
        long before = Size;
        long size;
        lock (_lock)
        {
            size = stream.Length;
        }

        var error = size == before ? Errno.None : SetSize(size);
        error = error == Errno.None && size != before ? Refresh(Math.Min(before, size), 1) : error;
        return error == Errno.None && length > 0 ? Refresh(offset, length) : error;
    }

    /// <inheritdoc/>
    protected override Errno ReadPage(long offset, Span<byte> page)
    {
        lock (_lock)
        {
            stream.Position = offset;
            stream.ReadAtLeast(page, page.Length, throwOnEndOfStream: false);
            return Errno.None;
        }
    }

    /// <inheritdoc/>
    protected override Errno WritePage(long offset, ReadOnlySpan<byte> page)
    {
        lock (_lock)
        {
            stream.Position = offset;
            stream.Write(page);
            return Errno.None;
        }
    }
}
