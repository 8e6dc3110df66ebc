using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Tables;

namespace Pando.Platforms;

/// <summary>
/// A file of a kind of one's own: its pages come from wherever a derived class gets them, each when it is first touched, and stay in RAM until
/// they are refreshed or the size ends before them. Processes that map it share its page tables, as those of every file.
/// </summary>
/// <remarks>
/// <para>
/// A derived class says what a page holds (<see cref="ReadPage"/>), tells when that has changed behind the file's back (<see cref="Refresh"/>,
/// <see cref="MappedFile.SetSize(long)"/>), and, where stores are to go somewhere, takes them (<see cref="WritePage"/>). It takes part in no
/// locking: what it changes while a page of the same file is on its way is seen to here.
/// </para>
/// <para>Holes are not kept: a page that is punched (<see cref="MappedFile.PunchHole"/>) is read again.</para>
/// <para>All members are safe for threads.</para>
/// </remarks>
public abstract class ProvidedFile : MemoryFile
{
    // The file that this thread is writing a page of.
    [ThreadStatic]
    private static ProvidedFile? _writing;

    private readonly DirtySet? _dirty;

    /// <summary>Makes the file, open for whoever made it until <see cref="MappedFile.Dispose()"/>.</summary>
    /// <param name="machine">The machine whose processes map it.</param>
    /// <param name="name">Its name, for reports; not empty.</param>
    /// <param name="size">Bytes; not negative, and no more than <see cref="MappedFile.MaxSize"/>.</param>
    /// <param name="writesBack">Whether stores are noted, and <see cref="WritePage"/> is given them when the file is written back.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The size is none.</exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    protected ProvidedFile(Machine machine, string name, long size, bool writesBack = false)
        : base(StoreOf(machine), name, size, StoreOf(machine).Geometry.PageSize)
    {
        _dirty = writesBack ? new DirtySet(Store) : null;
    }

    internal sealed override DirtySet? Dirty => _dirty;

    private protected sealed override bool IsInCall => ReferenceEquals(_writing, this);

    /// <summary>
    /// Fills a page. Called with nothing locked, on the thread that touched it: it may take as long as it likes and use everything, the file too
    /// (to set its size, say). Several threads may ask for the same page; the first to be through is shown by all.
    /// </summary>
    /// <param name="offset">The page's offset in the file, in bytes; a multiple of the page size, below the size at the time.</param>
    /// <param name="page">
    /// The page, all zeroes, as far as the file has it: one page of bytes, or fewer at the end of the file. It is seen by nobody before this returns.
    /// </param>
    /// <returns>
    /// None; or an error, which is a bus error of the access. What is thrown goes to whoever asked for the page; nothing has changed then.
    /// </returns>
    protected abstract Errno ReadPage(long offset, Span<byte> page);

    /// <summary>
    /// Takes what was stored to a page, when the file is written back. Called one page after the other, under locks of the file: it uses neither
    /// a space nor the file; the latter is an exception. Stores go on meanwhile, and are taken the next time.
    /// </summary>
    /// <param name="offset">The page's offset in the file, in bytes; a multiple of the page size.</param>
    /// <param name="page">The page, as far as the file has it.</param>
    /// <returns>None; or an error, for which the write-back answers EIO and the page stays marked as written.</returns>
    protected virtual Errno WritePage(long offset, ReadOnlySpan<byte> page) => Errno.EIO;

    /// <summary>
    /// What the file has in a range has changed where its pages come from: those that it touches are taken away from all processes and read again at
    /// the next touch. Stores that were not written back are lost; private copies stay. When it returns, nobody reads what was there before.
    /// </summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="length">Bytes, more than 0.</param>
    /// <returns>EINVAL for a negative offset or a length that is not positive; EFBIG for an end past 2^63; EBADF if the file has ended.</returns>
    protected Errno Refresh(long offset, long length)
    {
        if (offset < 0 || length <= 0)
        {
            return Errno.EINVAL;
        }

        if (offset > MaxSize)
        {
            return offset > long.MaxValue - length ? Errno.EFBIG : Errno.None;
        }

        long start = Geometry.PageStart(offset);
        long end = length > MaxSize - offset ? MaxSize : Geometry.RoundUpToPages(offset + length);
        return PunchHole(start, end - start);
    }

    internal sealed override FilePage Find(long offset, bool write, in LeafLimits limits, bool makes = true)
    {
        var page = base.Find(offset, write, limits, makes: false);
        return page.Status switch
        {
            PageStatus.Absent when makes => FilePage.Failed(PageStatus.MustProvide),

            // The first store is noted, where it must be.
            PageStatus.Found => page with { Writable = write || _dirty is null },
            _ => page,
        };
    }

    internal sealed override PageStatus ProvidePage(long offset)
    {
        long start = Geometry.PageStart(offset);
        long sequence = Tables.Invalidate.Sequence();
        long size = Size;
        if (start >= size)
        {
            return PageStatus.PastEnd;
        }

        var frame = Frame.None;
        using var page = new NewPage(Store, ref frame);
        if (frame.IsNone)
        {
            return PageStatus.OutOfMemory;
        }

        if (ReadPage(start, Store.Memory.Bytes(Store.Memory.AddressOf(frame), (int)Math.Min(Geometry.PageSize, size - start))) != Errno.None)
        {
            return PageStatus.Failed;
        }

        // What has changed meanwhile may be what was read. The layout stays as it is from the look to the end.
        using var steady = Tables.Invalidate.Hold();
        using var epoch = Store.Epochs.Enter();
        if (!Tables.Invalidate.IsCurrent(sequence))
        {
            return PageStatus.Found;
        }

        switch (Put(start, frame))
        {
            case Errno.None:
                frame = Frame.None;
                return PageStatus.Found;
            case Errno.ENOMEM:
                return PageStatus.OutOfMemory;
            default:
                // Another thread's is there.
                return PageStatus.Found;
        }
    }

    internal sealed override void Reshape(long size, long start, long end)
    {
        base.Reshape(size, start, end);
        if (start < end)
        {
            _dirty?.Forget(start, end);
        }
    }

    internal sealed override Errno MakeDurable(long start, long end, bool layoutHeld)
    {
        end = Math.Min(end, Size);
        for (long offset = Geometry.PageStart(start); offset < end; offset += Geometry.PageSize)
        {
            // It stays: what takes pages away waits for the write-back.
            if (Locate(offset) is not { } place)
            {
                continue;
            }

            var outer = _writing;
            _writing = this;
            try
            {
                if (WritePage(offset, Store.Memory.Bytes(place, (int)Math.Min(Geometry.PageSize, end - offset))) != Errno.None)
                {
                    return Errno.EIO;
                }
            }
            finally
            {
                _writing = outer;
            }
        }

        return Errno.None;
    }

    private static TableStore StoreOf(Machine machine)
    {
        ArgumentNullException.ThrowIfNull(machine);
        machine.ThrowIfEnded();
        return machine.Store;
    }

    /// <summary>A frame that is given back when the scope ends, unless it has become somebody's: then the variable is none.</summary>
    private readonly ref struct NewPage
    {
        private readonly TableStore _store;
        private readonly ref Frame _frame;

        public NewPage(TableStore store, ref Frame frame)
        {
            _store = store;
            _frame = ref frame;
            store.Frames.TryAllocate(FrameKind.FileData, out frame);
        }

        public void Dispose()
        {
            if (!_frame.IsNone)
            {
                _store.Frames.Free(_frame);
            }
        }
    }
}
