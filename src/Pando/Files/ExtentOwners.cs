using System.Diagnostics;
using Pando.Concurrency;
using Pando.Costs;
using Pando.Intervals;

namespace Pando.Files;

/// <summary>
/// Which extents of which files lie where on a device (XFS: its reverse map, rmapbt). An extent stands here by its number in its
/// file's <see cref="ExtentMap"/>, not by its offset: what moves in the file stays as it is here. Several may lie in one place.
/// Each operation costs the logarithm of the extents of the device, and allocates no managed memory, since faults make extents too. Safe
/// for threads.
/// </summary>
/// <remarks>
/// A file's extents change here with each change of its <see cref="ExtentMap"/>, at once, under its invalidate lock. Whoever has found
/// one takes that lock, asks again (<see cref="Has"/>), and then the file where it stands. Extents of a file that is being made,
/// of a part of a layout that is being prepared, and of one that has been cut out and not dropped yet, stand here too: the file leads
/// there not yet, or no more.
/// </remarks>
internal sealed class ExtentOwners
{
    private readonly NativeTree<ExtentOwner, long, ByPlace> _tree = new(null);

    // How many extents files may add before they ask for room again.
    private int _promised;
    private Walk? _walks;
    private int _lock;

    /// <summary>Extents, for the auditor and tests.</summary>
    public int Count => _tree.Count;

    /// <summary>
    /// Promises a file room for so many extents more than were promised it before, and sees to it that all promises can be kept. A
    /// file asks before each change, and adds no more in it than it was promised.
    /// </summary>
    public void MakeRoom(int more)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        _tree.Reserve(_promised + more);
        _promised += more;
    }

    /// <summary>Takes back what was promised to a file that has ended.</summary>
    public void GiveRoomBack(int promised)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        _promised -= promised;
    }

    /// <summary>Makes the changes of one file's extents, all at once, in their order.</summary>
    public void Apply(NativeArray<Change> changes, int count)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        for (int i = 0; i < count; i++)
        {
            ref var change = ref changes[i];
            if (change.IsAdded)
            {
                Add(change.Owner);
            }
            else
            {
                bool found = _tree.Remove(change.Owner);
                Debug.Assert(found, "What leaves a place was there.");
            }
        }

        _tree.Commit();
    }

    /// <summary>Takes an extent out.</summary>
    public void Remove(in ExtentOwner owner)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        bool found = _tree.Remove(owner);
        Debug.Assert(found, "What leaves a place was there.");
        _tree.Commit();
    }

    /// <summary>Whether an extent is there still.</summary>
    public bool Has(in ExtentOwner owner)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        for (int node = _tree.Root; node != 0;)
        {
            var item = _tree.Item(node);
            int order = ByPlace.Compare(owner, item);
            if (order == 0)
            {
                return item == owner;
            }

            node = order < 0 ? _tree.Left(node) : _tree.Right(node);
        }

        return false;
    }

    /// <summary>Begins to go through the extents that have something of a range of the device.</summary>
    public Walk On(long start, long end)
    {
        var walk = new Walk(this, start, end);
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        walk.Next = _walks;
        _walks = walk;
        return walk;
    }

    private void Add(in ExtentOwner owner)
    {
        _tree.Put(owner);
        for (var walk = _walks; walk is not null; walk = walk.Next)
        {
            walk.Note(owner);
        }
    }

    // Of what comes after, a subtree whose furthest end lies in the range has an extent that is looked for: one way down finds it, and
    // one more leads along what comes before.
    private bool TryGetNext(int node, long start, long end, in ExtentOwner after, out ExtentOwner owner)
    {
        owner = default;
        if (node == 0 || _tree.Summary(node) <= start)
        {
            return false;
        }

        var item = _tree.Item(node);
        if (ByPlace.Compare(item, after) > 0)
        {
            if (TryGetNext(_tree.Left(node), start, end, after, out owner))
            {
                return true;
            }

            if (item.Start < end && item.End > start)
            {
                Cost.Count(CostKind.Extent);
                owner = item;
                return true;
            }
        }

        return item.Start < end && TryGetNext(_tree.Right(node), start, end, after, out owner);
    }

    /// <summary>An extent that comes to a place or leaves one.</summary>
    public readonly record struct Change(ExtentOwner Owner, bool IsAdded);

    /// <summary>
    /// Goes through the extents that have something of a range: all that are there as long as it goes on, also what is cut and joined
    /// meanwhile, and so stands before where it has come to. It may find one more than once. For one thread.
    /// </summary>
    public sealed class Walk : IDisposable
    {
        private readonly ExtentOwners _owners;
        private readonly long _start;
        private readonly long _end;
        private ExtentOwner _at = ExtentOwner.None;

        // The first that came in before where the walk had come to.
        private ExtentOwner? _missed;

        internal Walk(ExtentOwners owners, long start, long end)
        {
            _owners = owners;
            _start = start;
            _end = end;
        }

        internal Walk? Next { get; set; }

        /// <summary>Finds the next.</summary>
        public bool TryGetNext(out ExtentOwner owner)
        {
            using var held = WordLock.Hold(ref _owners._lock, LockRank.FileStorage);
            while (!_owners.TryGetNext(_owners._tree.Root, _start, _end, _at, out owner))
            {
                if (_missed is not { } missed)
                {
                    return false;
                }

                // From there on again.
                _at = missed with { Number = missed.Number - 1 };
                _missed = null;
            }

            _at = owner;
            return true;
        }

        /// <summary>An extent has come in. Under the lock.</summary>
        internal void Note(in ExtentOwner owner)
        {
            bool isMissed = owner.Start < _end && owner.End > _start && ByPlace.Compare(owner, _at) <= 0 && !Schedule.LeavesOut(ProtocolPart.ExtentsMissed);
            if (isMissed && (_missed is not { } missed || ByPlace.Compare(owner, missed) < 0))
            {
                _missed = owner;
            }
        }

        /// <summary>Ends the walk.</summary>
        public void Dispose()
        {
            using var held = WordLock.Hold(ref _owners._lock, LockRank.FileStorage);
            if (_owners._walks == this)
            {
                _owners._walks = Next;
                return;
            }

            var before = _owners._walks!;
            while (before.Next != this)
            {
                before = before.Next!;
            }

            before.Next = Next;
        }
    }

    private readonly struct ByPlace : ITreeOrder<ExtentOwner, long>
    {
        public static int Compare(in ExtentOwner one, in ExtentOwner other)
        {
            int order = one.Start.CompareTo(other.Start);
            order = order != 0 ? order : one.File.CompareTo(other.File);
            return order != 0 ? order : one.Number.CompareTo(other.Number);
        }

        /// <summary>Where the furthest ends.</summary>
        public static long Of(in ExtentOwner item) => item.End;

        public static long Join(in long first, in long second) => Math.Max(first, second);
    }
}
