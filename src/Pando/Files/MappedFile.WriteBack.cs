using Pando.Concurrency;

namespace Pando.Files;

/// <content>Write-back: what has been stored is made durable, and so are the metadata that lead to it.</content>
public abstract partial class MappedFile
{
    /// <summary>
    /// The errors of write-backs of the file. Who has it open compares with where he stood.
    /// </summary>
    internal ErrorSequence Errors { get; } = new();

    /// <summary>
    /// Held by a write-back, and by every piece of a change of the layout that moves what may have been written or takes it
    /// away: who finds nothing left to write back must not return before it is durable, and marks that were taken must not stand
    /// for something else when it is. Faults that fill a hole or copy a page, and migrations, do neither and go beside.
    /// </summary>
    private protected SleepLock Marks { get; } = new(LockRank.WriteBack);

    /// <summary>Whether a write-back or a change of the layout is under way.</summary>
    internal bool IsChanging => Changes.IsHeld || Marks.IsHeld || Tables.Invalidate.IsHeld;

    /// <summary>
    /// Writes back what has been written in a range (fsync(2), sync_file_range(2)): every leaf that could be
    /// stored through becomes read-only once in each table, all processors that may hold it are flushed, the range and the
    /// metadata of the file are made durable. Later stores are noticed again.
    /// </summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="length">Bytes; what reaches past the end of the file is no error.</param>
    /// <returns>
    /// EIO if not all could be made durable: what could not is still marked as written, so that it is tried again the next
    /// time; or if a write-back by somebody else has failed since the last one by <see cref="Own"/>. EINVAL for a negative
    /// offset or length; EBADF if the file has ended.
    /// </returns>
    public Errno WriteBack(long offset = 0, long length = long.MaxValue) => WriteBackFor(Own, offset, length);

    /// <summary>Writes back for somebody who has the file open; all others learn of an error the next time.</summary>
    internal Errno WriteBackFor(OpenFile opened, long offset, long length)
    {
        if (offset < 0 || length < 0)
        {
            return Errno.EINVAL;
        }

        using var use = FileUse.Try(this, out bool ended);
        if (ended)
        {
            return Errno.EBADF;
        }

        Errno error;
        using (Marks.Hold())
        {
            error = WriteBackHeld(offset, length > MaxSize - offset ? MaxSize : offset + length, DurabilityPart.WriteBack, layoutHeld: false);
            if (error == Errno.None && !LeavesOut(DurabilityPart.Commit))
            {
                error = CommitMetadata();
            }
        }

        if (error != Errno.None)
        {
            Errors.Set(error);
        }

        // He learns of his own error here as well, and not again the next time (Linux: file_check_and_advance_wb_err).
        var earlier = opened.CheckErrors();
        return error != Errno.None ? error : earlier;
    }

    /// <summary>
    /// Makes what has been written in a range durable, without the metadata. The caller holds <see cref="Marks"/>; marks
    /// that reach over the range count as a whole.
    /// </summary>
    /// <param name="start">The first offset.</param>
    /// <param name="end">The first offset past the range.</param>
    /// <param name="part">What a test leaves out.</param>
    /// <param name="layoutHeld">Whether the caller holds the invalidate lock.</param>
    private protected Errno WriteBackHeld(long start, long end, DurabilityPart part, bool layoutHeld)
    {
        if (Dirty is not { } dirty)
        {
            return Errno.None;
        }

        // The marks go first and the rights after, a leaf gets its mark and its right under the table's lock: a
        // store that is noticed in between leaves its mark for the next time.
        using var taken = dirty.Take(start & -(long)Geometry.PageSize, end);
        if (taken.Ranges.Count == 0)
        {
            return Errno.None;
        }

        foreach (var (offset, length) in taken.Ranges)
        {
            ChangeLeaves(offset, offset + length, _protectLeaves);
        }

        // All of them, also those whose leaf somebody else had protected already (hazard 49).
        Store.Shootdown.FlushShared(Tables);
        foreach (var (offset, length) in taken.Ranges)
        {
            var error = LeavesOut(part) ? Errno.None : MakeDurable(offset, offset + length, layoutHeld);
            if (error != Errno.None)
            {
                if (LeavesOut(DurabilityPart.MarksComeBack))
                {
                    taken.Settle();
                }

                return error;
            }
        }

        taken.Settle();
        return Errno.None;
    }

    /// <summary>Makes what was stored to a range durable, where the metadata lead to it that a commit from now on makes durable.</summary>
    /// <returns>EIO where storage says so.</returns>
    private protected virtual Errno MakeDurable(long start, long end, bool layoutHeld) => Errno.None;

    /// <summary>Makes those changes of the file's metadata durable that were made before the call.</summary>
    /// <returns>EIO where storage says so.</returns>
    internal virtual Errno CommitMetadata() => Errno.None;

    /// <summary>Whether a test has a part of durability left out.</summary>
    private protected virtual bool LeavesOut(DurabilityPart part) => false;
}
