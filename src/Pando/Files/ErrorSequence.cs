namespace Pando.Files;

/// <summary>
/// The last error of a file's write-back, so that everybody who has the file open learns of it once: Linux's errseq_t
/// (Documentation/core-api/errseq.rst). Safe for threads.
/// </summary>
/// <remarks>
/// One word: the error in its lowest bits, a mark that somebody has seen it, and a counter that moves with each error that
/// comes after one that was seen. Who has the file open keeps the word as he saw it last; where it differs, there was an
/// error since.
/// </remarks>
internal sealed class ErrorSequence
{
    private const long ErrorMask = (1L << 12) - 1;
    private const long Seen = ErrorMask + 1;
    private const long Step = Seen << 1;

    private long _state;

    /// <summary>Notes an error.</summary>
    public void Set(Errno error)
    {
        long old = Volatile.Read(ref _state);
        while (true)
        {
            // An error that nobody has seen yet needs no other number: who is told of it is told of both.
            long next = (old & ~(ErrorMask | Seen)) | (long)error;
            next += (old & Seen) != 0 ? Step : 0;
            long seen = Interlocked.CompareExchange(ref _state, next, old);
            if (seen == old)
            {
                return;
            }

            old = seen;
        }
    }

    /// <summary>Where somebody stands who opens the file now: an error that nobody has seen yet is his to learn, too.</summary>
    public long Sample()
    {
        long state = Volatile.Read(ref _state);
        return (state & Seen) == 0 ? 0 : state;
    }

    /// <summary>The error since somebody looked last, if there was one; he is told of it once, whichever of his threads asks.</summary>
    /// <param name="position">Where he stands; moved on.</param>
    public Errno CheckAndAdvance(ref long position)
    {
        while (true)
        {
            long stood = Volatile.Read(ref position);
            long state = Volatile.Read(ref _state);
            if (state == stood)
            {
                return Errno.None;
            }

            if ((state & Seen) == 0 && Interlocked.CompareExchange(ref _state, state | Seen, state) != state)
            {
                continue;
            }

            if (Interlocked.CompareExchange(ref position, state | Seen, stood) == stood)
            {
                return (Errno)(state & ErrorMask);
            }
        }
    }
}
