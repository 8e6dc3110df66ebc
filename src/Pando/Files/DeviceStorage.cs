namespace Pando.Files;

/// <summary>
/// What a memory device keeps its bytes in, and what of them is there after a crash: the seam under
/// <see cref="PmemDevice"/>.
/// </summary>
/// <remarks>
/// <para>
/// What is stored to memory may become durable at any time, in any order, by the cache line: a processor writes lines
/// back as it likes. It surely is durable when <see cref="Sync"/> has returned for its range. The same holds for the
/// metadata of files: a change that was told by <see cref="Changed"/> may become durable at any time from then on, and
/// surely is when <see cref="SyncMetadata"/> has returned. The metadata of one file become durable in the order of its
/// changes, those of different files in any.
/// </para>
/// <para>
/// Members may be called by several threads at once. Those that wait for storage are called under no lock that is spun for.
/// </para>
/// </remarks>
internal abstract class DeviceStorage : IDisposable
{
    /// <summary>The host's address of the first byte; 0 where there are none.</summary>
    public abstract nint Address { get; }

    /// <summary>
    /// Fills whole pages with zeroes, which are not durable yet. Nobody else reads or writes them meanwhile.
    /// </summary>
    /// <exception cref="IOException">It cannot be done; the bytes are of any kind.</exception>
    public abstract void Clear(long offset, long length);

    /// <summary>Makes what was stored to a range durable, and waits for it.</summary>
    /// <exception cref="IOException">It could not be done; any part may be durable.</exception>
    public virtual void Sync(long offset, long length)
    {
    }

    /// <summary>
    /// A file's size or extents have changed, or it was made: they are to be read from the file now. Called under the lock
    /// of the file's layout, so that it must not wait.
    /// </summary>
    public virtual void Changed(DaxFile file)
    {
    }

    /// <summary>A file has ended: it is to be gone after a crash.</summary>
    public virtual void Ended(DaxFile file)
    {
    }

    /// <summary>Makes the changes of a file's metadata that were told before the call durable, and waits for it.</summary>
    /// <exception cref="IOException">It could not be done; any of the changes may be durable.</exception>
    public virtual void SyncMetadata(DaxFile file)
    {
    }

    /// <inheritdoc/>
    public abstract void Dispose();
}
