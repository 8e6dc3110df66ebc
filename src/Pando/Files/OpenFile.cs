namespace Pando.Files;

/// <summary>
/// A file that somebody has opened (Linux: an open file description). Of every error of the file's write-back each learns
/// once, whoever's write-back it was; that is all that two of one file differ in. Safe for threads.
/// </summary>
/// <remarks>
/// A mapping is made through one, and keeps to it when that is closed: msync(2) and stores with MAP_SYNC report their
/// errors there, those of a process and its children in one place, since fork(2) shares it.
/// </remarks>
public sealed class OpenFile : IDisposable
{
    private long _errorPosition;
    private int _closed;

    // The caller has counted it as a user of the file.
    internal OpenFile(MappedFile file)
    {
        File = file;
        _errorPosition = file.WriteBacks.Errors.Sample();
    }

    /// <summary>The file.</summary>
    public MappedFile File { get; }

    /// <summary>
    /// Writes back what has been written in a range (fsync(2), sync_file_range(2)), and says whether that, or any write-back
    /// of the file since this was opened or asked last, has failed.
    /// </summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="length">Bytes; what reaches past the end of the file is no error.</param>
    /// <returns>
    /// EIO if not all could be made durable: what could not is still marked as written, so that it is tried again the next
    /// time; or if a write-back by somebody else has failed. EINVAL for a negative offset or length; EBADF if it is closed.
    /// </returns>
    public Errno WriteBack(long offset = 0, long length = long.MaxValue) =>
        Volatile.Read(ref _closed) != 0 ? Errno.EBADF : File.WriteBacks.Write(this, offset, length);

    /// <summary>Whether it has been closed.</summary>
    internal bool IsClosed => Volatile.Read(ref _closed) != 0;

    /// <summary>Closes it. Mappings stay valid.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            File.RemoveUser();
        }
    }

    /// <summary>
    /// Writes back a range for a mapping, which keeps the file and goes on after this was closed.
    /// </summary>
    internal Errno WriteBackMapped(long offset, long length) => File.WriteBacks.Write(this, offset, length);

    /// <summary>Closes it with its machine, of which nothing is given back.</summary>
    internal void Abandon() => Volatile.Write(ref _closed, 1);

    /// <summary>The error of a write-back since it was told of one last.</summary>
    internal Errno CheckErrors() => File.WriteBacks.Errors.CheckAndAdvance(ref _errorPosition);
}
