using Pando.Concurrency;

namespace Pando.Files;

/// <summary>Write-back of one file: what has been stored is made durable, and so are the metadata that lead to it.</summary>
/// <remarks>
/// What has been written is known to the file's <see cref="DirtySet"/>; how it is made durable, to the kind of file. Who takes marks holds
/// them here.
/// </remarks>
internal sealed class FileWriteBack(MappedFile file)
{
    // Held by a write-back, and by every piece of a change of the layout that moves what may have been written or takes it
    // away: who finds nothing left to write back must not return before it is durable, and marks that were taken must not stand
    // for something else when it is. Faults that fill a hole or copy a page, and migrations, do neither and go beside.
    private readonly SleepLock _marks = new(LockRank.WriteBack);

    /// <summary>The errors of write-backs of the file. Who has it open compares with where he stood.</summary>
    public ErrorSequence Errors { get; } = new();

    /// <summary>Whether anybody holds the marks.</summary>
    public bool IsHeld => _marks.IsHeld;

    /// <summary>Keeps marks where they are until the scope ends: nobody else takes any, or moves or takes away what they stand for.</summary>
    public SleepLock.Scope Hold() => _marks.Hold();

    /// <summary>Between two pieces of a change: lets those pass who have waited for the first. The caller holds nothing.</summary>
    public void LetOthersPass() => _marks.LetOthersPass();

    /// <summary>Writes back for somebody who has the file open; all others learn of an error the next time. See <see cref="MappedFile.WriteBack"/>.</summary>
    public Errno Write(OpenFile opened, long offset, long length)
    {
        if (offset < 0 || length < 0)
        {
            return Errno.EINVAL;
        }

        using var use = FileUse.Try(file, out bool ended);
        if (ended)
        {
            return Errno.EBADF;
        }

        Errno error;
        using (_marks.Hold())
        {
            error = WriteHeld(offset, length > MappedFile.MaxSize - offset ? MappedFile.MaxSize : offset + length, DurabilityPart.WriteBack, layoutHeld: false);
            if (error == Errno.None && !file.LeavesOut(DurabilityPart.Commit))
            {
                error = file.CommitMetadata();
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
    /// Makes what has been written in a range durable, without the metadata. The caller holds the marks (<see cref="Hold"/>); marks
    /// that reach over the range count as a whole.
    /// </summary>
    /// <param name="start">The first offset.</param>
    /// <param name="end">The first offset past the range.</param>
    /// <param name="part">What a test leaves out.</param>
    /// <param name="layoutHeld">Whether the caller holds the invalidate lock.</param>
    public Errno WriteHeld(long start, long end, DurabilityPart part, bool layoutHeld)
    {
        if (file.Dirty is not { } dirty)
        {
            return Errno.None;
        }

        // The marks go first and the rights after, a leaf gets its mark and its right under the table's lock: a
        // store that is noticed in between leaves its mark for the next time.
        using var taken = dirty.Take(start & -(long)file.Store.Geometry.PageSize, end);
        if (taken.Ranges.Count == 0)
        {
            return Errno.None;
        }

        file.Leaves.Protect(taken.Ranges);
        foreach (var (offset, length) in taken.Ranges)
        {
            var error = file.LeavesOut(part) ? Errno.None : file.MakeDurable(offset, offset + length, layoutHeld);
            if (error != Errno.None)
            {
                if (file.LeavesOut(DurabilityPart.MarksComeBack))
                {
                    taken.Settle();
                }

                return error;
            }
        }

        taken.Settle();
        return Errno.None;
    }
}
