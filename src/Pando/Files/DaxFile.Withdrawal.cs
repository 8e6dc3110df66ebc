using Pando.Concurrency;
using Pando.Hardware;
using Pando.Intervals;

namespace Pando.Files;

/// <content>
/// Taking all leaves of a range away for a change that must not be seen half made (collapse, insert, clone), while others go on.
/// </content>
/// <remarks>
/// It goes in pieces. What has lost its leaves is withdrawn: no leaf comes back there before a fault has told so, by
/// <see cref="Readmit"/>, and then its 2 MiB are a part of what is still to be taken away. When nothing is, and faults are
/// excluded, is the moment of the change. Between two pieces fewer come back than a piece takes away, so that it ends; who would be one too
/// many waits for the next piece.
/// </remarks>
public sealed partial class DaxFile
{
    // How many parts of a range are withdrawn in one piece, and how many 2 MiB may come back before the next.
    private const int MostWithdrawn = 4;
    private const int MostReadmitted = 2;

    // Changed under the invalidate lock, read like the extents; empty but for the time of a withdrawal.
    private readonly IntervalTree<Present, NoSummary<Present>> _withdrawn;

    // How many 2 MiB may come back before the next piece; how many pieces there were. Under the invalidate lock.
    private int _admissible;
    private long _pieces;

    /// <summary>Where the first part from an offset on begins in which leaves may not be put as they come. For those in an epoch.</summary>
    private long FirstWithdrawnOrAwaited(long offset, long end)
    {
        end = _withdrawn.Count != 0 && _withdrawn.TryGetNext(offset, out var withdrawn) ? Math.Min(end, withdrawn.Start) : end;
        return _awaitsClone.Count != 0 && _awaitsClone.TryGetNext(offset, out var awaited) ? Math.Min(end, awaited.Start) : end;
    }

    /// <summary>Whether no leaf may be put at an offset before <see cref="Readmit"/>. For those in an epoch.</summary>
    private bool IsWithdrawn(long offset) =>
        _withdrawn.Count != 0 && _withdrawn.TryGet(offset, out _) && !Schedule.LeavesOut(ProtocolPart.Withdrawn);

    /// <summary>Whether no leaf may be put that shows so much around an offset. For those in an epoch.</summary>
    private bool IsPartWithdrawn(long offset, long leafSize) =>
        _withdrawn.Count != 0 && _withdrawn.Overlaps(offset & -leafSize, (offset & -leafSize) + leafSize);

    /// <inheritdoc/>
    internal override void Readmit(long offset)
    {
        long block = offset & -Geometry.EntrySpan(Level.Pmd);
        long pieces;
        using (Tables.Invalidate.Hold())
        {
            if (!_withdrawn.Overlaps(block, block + Geometry.EntrySpan(Level.Pmd)))
            {
                return;
            }

            if (_admissible > 0)
            {
                _admissible--;
                _withdrawn.Remove(block, block + Geometry.EntrySpan(Level.Pmd));
                return;
            }

            pieces = _pieces;
        }

        var spin = new SpinWait();
        while (Volatile.Read(ref _pieces) == pieces)
        {
            Schedule.Wait(ref spin);
        }
    }

    /// <summary>A range whose leaves are taken away, until the scope ends.</summary>
    private readonly ref struct Withdrawal
    {
        private readonly DaxFile _file;
        private readonly long _start;
        private readonly long _end;

        /// <summary>Begins, and takes all away once. What comes back meanwhile may be there afterwards. The caller holds the lock of changes.</summary>
        public Withdrawal(DaxFile file, long start, long end)
        {
            long block = file.Geometry.EntrySpan(Level.Pmd);
            _file = file;
            _start = start & -block;
            _end = (end + block - 1) & -block;
            TakeAway();

            // Until there are pieces again any may come back.
            using var steady = file.Tables.Invalidate.Hold();
            file._admissible = int.MaxValue;
            Volatile.Write(ref file._pieces, file._pieces + 1);
        }

        /// <summary>Excludes faults, at a moment when there is no leaf of the range.</summary>
        public InvalidateLock.Scope Exclude()
        {
            while (true)
            {
                TakeAway();
                var change = _file.Tables.Invalidate.Change();
                if (!TryGetNext(out _, out _))
                {
                    // Those who wait find the layout as it is after the change.
                    End();
                    return change;
                }

                change.Dispose();
            }
        }

        /// <summary>Leaves come as they may again, also where the change has not been made.</summary>
        public void Dispose()
        {
            if (_file._withdrawn.Count != 0)
            {
                using var steady = _file.Tables.Invalidate.Hold();
                End();
            }
        }

        private void End()
        {
            _file._withdrawn.Clear();
            Volatile.Write(ref _file._pieces, _file._pieces + 1);
        }

        private void TakeAway()
        {
            while (true)
            {
                _file.Tables.Invalidate.LetOthersGoOn();
                using var excluded = _file.Tables.Invalidate.Change();
                for (int i = 0; i < MostWithdrawn; i++)
                {
                    if (!TryGetNext(out long start, out long end))
                    {
                        return;
                    }

                    end = _file.Leaves.PieceEnd(start, end);
                    _file.Leaves.Remove(start, end);
                    _file._withdrawn.Set(start, end, default);
                }

                _file._admissible = MostReadmitted;
                Volatile.Write(ref _file._pieces, _file._pieces + 1);
            }
        }

        /// <summary>The first part that is not withdrawn.</summary>
        private bool TryGetNext(out long start, out long end)
        {
            start = _file._withdrawn.TryGet(_start, out var withdrawn) ? withdrawn.End : _start;
            end = _file._withdrawn.TryGetNext(start, out var next) ? Math.Min(next.Start, _end) : _end;
            return start < end;
        }
    }
}
