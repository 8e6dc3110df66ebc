using System.Collections.Concurrent;
using Pando.Files;
using Pando.Hardware;

namespace Pando.Platforms;

/// <summary>
/// A file whose bytes lie in a platform's <see cref="MemoryWindow"/>: the host's page cache of a file of its own, say. Processes that map it share its
/// page tables, as those of every file, and its bytes with whoever else has them.
/// </summary>
/// <remarks>
/// <para>
/// The file lies in pieces of one length. A derived class says where in the window a piece is, having mapped it there, when it is first needed
/// (<see cref="MakePiece"/>), how long the file is now (<see cref="ReadSize"/>), and takes the pieces back when the file has ended
/// (<see cref="ReleasePieces"/>).
/// </para>
/// <para>
/// The size may change behind the file's back. That it has grown is found by the next access past its end; that it has shrunk is told by
/// <see cref="FollowSize"/>, and what is accessed before is up to the host.
/// </para>
/// <para>All members are safe for threads.</para>
/// </remarks>
public abstract class WindowFile : MappedFile
{
    private readonly MemoryWindow _window;
    private readonly ConcurrentDictionary<long, long> _pieces = new();

    // Held while a piece is made and while the size is read. Who takes it may be in an epoch or hold locks of the library, and takes none in it.
    private readonly Lock _lock = new();

    /// <summary>Makes the file, open for whoever made it until <see cref="MappedFile.Dispose()"/>.</summary>
    /// <param name="window">Where it lies.</param>
    /// <param name="name">Its name, for reports; not empty.</param>
    /// <param name="size">Bytes; not negative, and no more than <see cref="MappedFile.MaxSize"/>.</param>
    /// <param name="pieceShift">A piece has 2^pieceShift bytes: no less than the largest leaf that is to show the file, and no less than a page.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is none.</exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    protected WindowFile(MemoryWindow window, string name, long size, int pieceShift)
        : base(StoreOf(window), name, size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pieceShift, Geometry.PageShift);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pieceShift, 62);
        _window = window;
        PieceShift = pieceShift;
        LargestLeaf = Geometry.LeafLevelAtMost(Level.Pmd) is var level && Geometry.EntryShift(level) <= pieceShift ? level : Level.Pte;
        Publish();
    }

    /// <summary>A piece has 2^this bytes.</summary>
    public int PieceShift { get; }

    /// <inheritdoc/>
    public sealed override long PageSize => Geometry.EntrySpan(LargestLeaf);

    private int LargestLeaf { get; }

    /// <summary>The pieces that have been made, by number, and where in the window they lie.</summary>
    protected IEnumerable<KeyValuePair<long, long>> Pieces => _pieces;

    /// <summary>
    /// Maps a piece of the file at a place in the window where nothing is, a multiple of the piece's length. Called once for each piece, by one thread at
    /// a time, perhaps while a fault waits. It uses neither the file nor a space.
    /// </summary>
    /// <param name="piece">Its number: it begins at this times its length.</param>
    /// <returns>The offset in the window; negative where it cannot be had, which is a bus error of the access.</returns>
    protected abstract long MakePiece(long piece);

    /// <summary>How long the file is at this moment, in bytes. As <see cref="MakePiece"/>.</summary>
    protected abstract long ReadSize();

    /// <summary>The file has ended: nobody maps it, and its pieces are nobody's. Called once; <see cref="Pieces"/> has them.</summary>
    /// <param name="withMachine">Whether the machine has ended with all that is in it.</param>
    protected abstract void ReleasePieces(bool withMachine);

    /// <summary>Runs an action while no piece is made.</summary>
    /// <param name="action">What to do; as <see cref="MakePiece"/>.</param>
    protected void WithPieces(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        lock (_lock)
        {
            action();
        }
    }

    /// <summary>Sees to it that a range is mapped at the host, before somebody maps it here.</summary>
    /// <param name="offset">The first byte; not negative.</param>
    /// <param name="length">Bytes; what lies past <see cref="MappedFile.MaxSize"/> is left out.</param>
    /// <returns>False where a piece of it cannot be had.</returns>
    public bool TryPrepare(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        long end = length > MaxSize - offset ? MaxSize : offset + length;
        for (long piece = offset >> PieceShift; piece << PieceShift < end; piece++)
        {
            if (PlaceOf(piece) < 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// The file may have become shorter: what lies past its end now is taken from all processes, private copies too. When it returns nobody reaches it.
    /// </summary>
    public void FollowSize()
    {
        using var use = FileUse.Try(this, out bool ended);
        if (ended)
        {
            return;
        }

        using var held = Layout.Hold();
        using var change = Tables.Invalidate.Change();
        long before = Size;
        RefreshSize();
        if (Size < before)
        {
            Leaves.RemoveWithCopies(Geometry.RoundUpToPages(Size), MaxSize);
        }
    }

    /// <inheritdoc/>
    public sealed override SmallPageReason WhySmall(long offset, in LeafLimits limits)
    {
        if (LargestLeaf == Level.Pte)
        {
            return SmallPageReason.FilePageSize;
        }

        if (limits.HighestLevel < LargestLeaf)
        {
            return limits.Reason;
        }

        long start = offset & -PageSize;
        if (start < limits.WindowStart || start + PageSize > limits.WindowEnd)
        {
            return SmallPageReason.MappingEdge;
        }

        return start + PageSize > Size ? SmallPageReason.EndOfFile : SmallPageReason.None;
    }

    /// <inheritdoc/>
    public sealed override PhysicalAddress? Locate(long offset) =>
        !IsPastEnd(offset) && _pieces.TryGetValue(offset >> PieceShift, out long place)
            ? _window.Start + place + (offset & ((1L << PieceShift) - 1))
            : null;

    /// <summary>Not to be had: the bytes are the host's.</summary>
    /// <returns>EOPNOTSUPP.</returns>
    public sealed override Errno Poison(long offset) => Errno.EOPNOTSUPP;

    internal sealed override FilePage Find(long offset, bool write, in LeafLimits limits, bool makes = true)
    {
        if (IsPastEnd(offset))
        {
            RefreshSize();
            if (IsPastEnd(offset))
            {
                return FilePage.Failed(PageStatus.PastEnd);
            }
        }

        long place = PlaceOf(offset >> PieceShift);
        if (place < 0)
        {
            return FilePage.Failed(PageStatus.Failed);
        }

        var reason = WhySmall(offset, limits);
        int level = reason == SmallPageReason.None ? LargestLeaf : Level.Pte;
        long leaf = Geometry.EntrySpan(level);
        long start = offset & -leaf;
        long inPiece = start & ((1L << PieceShift) - 1);
        long end = level == Level.Pte ? Geometry.RoundUpToPages(Size) : Size & -leaf;
        long run = Math.Min((1L << PieceShift) - inPiece, Math.Max(end - start, leaf));
        return new FilePage(PageStatus.Found, level, reason, start, _window.Start + place + inPiece, run, Writable: true);
    }

    // Whoever sets the size here does not set it at the host: what the host says counts at the next look.
    internal sealed override void Reshape(long size, long start, long end) => Size = size;

    private protected sealed override void FreeStorage() => ReleasePieces(withMachine: false);

    private protected sealed override void AbandonStorage() => ReleasePieces(withMachine: true);

    private static Tables.TableStore StoreOf(MemoryWindow window)
    {
        ArgumentNullException.ThrowIfNull(window);
        window.Machine.ThrowIfEnded();
        return window.Machine.Store;
    }

    private void RefreshSize()
    {
        lock (_lock)
        {
            Size = Math.Clamp(ReadSize(), 0, MaxSize);
        }
    }

    private long PlaceOf(long piece)
    {
        if (_pieces.TryGetValue(piece, out long place))
        {
            return place;
        }

        lock (_lock)
        {
            if (!_pieces.TryGetValue(piece, out place))
            {
                place = MakePiece(piece);
                if (place >= 0)
                {
                    _pieces[piece] = place;
                }
            }

            return place;
        }
    }
}
