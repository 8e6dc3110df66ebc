using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>fork.</content>
public sealed partial class AddressSpace
{
    /// <summary>
    /// Makes a copy of the space (fork(2)). The child attaches to the same files' tables; private pages are shared
    /// until one of the two writes.
    /// </summary>
    /// <returns>The child, or null where memory is out (ENOMEM); then the parent is as before.</returns>
    public AddressSpace? Fork()
    {
        for (int attempt = 0; ; attempt++)
        {
            if (TryFork() is { } child)
            {
                return child;
            }

            if (attempt > 0 || !_memory.Reclaim())
            {
                return null;
            }
        }
    }

    private AddressSpace? TryFork()
    {
        AddressSpace child;
        try
        {
            child = new AddressSpace(_memory);
        }
        catch (InsufficientMemoryException)
        {
            return null;
        }

        bool complete;
        _lock.EnterWrite(LockRank.Space);
        try
        {
            ThrowIfExited();
            child._lock.EnterWrite(LockRank.Space);
            complete = CopyTo(child);
            child._lock.ExitWrite(LockRank.Space);
        }
        finally
        {
            _lock.ExitWrite(LockRank.Space);
        }

        if (complete)
        {
            return child;
        }

        child.Exit();
        return null;
    }

    private bool CopyTo(AddressSpace child)
    {
        // Locks and user-fault handlers are not inherited (mlock(2), userfaultfd(2)).
        const AreaFlags own = AnyLock | AnyUserFault;
        var areas = new List<Area>(_areas.Count);
        foreach (var area in _areas.All)
        {
            if ((area.Traits.Flags & AreaFlags.DontFork) != 0)
            {
                continue;
            }

            var copied = new Area(child, area.Range, area.Traits.With(0, own) with { UserFaults = null }, area.File, area.Offset);
            areas.Add(copied);
            if (area.File is { } file)
            {
                child.AddFile(file);
            }
        }

        child._areas.Replace(0, 0, areas.ToArray());

        // Private pages: both sides refer to the same frame, read-only, until one of them writes.
        var gather = new FlushGather(Store, this);
        var copy = new CopyVisitor(child);
        foreach (var area in areas)
        {
            CopyArea(area, ref copy, ref gather);
        }

        gather.Finish();
        if (copy.OutOfMemory)
        {
            return false;
        }

        foreach (var area in areas)
        {
            child.AttachAll(area, area.Range);
        }

        return true;
    }

    /// <summary>
    /// Copies the private pages of one area. Where a truncation may come for copies, it finds those of both spaces
    /// before or after: one that went through the child before a page came, and through the parent after it had been
    /// copied, would leave the child a page past the end.
    /// </summary>
    private void CopyArea(Area copied, ref CopyVisitor copy, ref FlushGather gather)
    {
        if (copied.IsShared || (copied.Traits.Flags & AreaFlags.WipeOnFork) != 0 || copy.OutOfMemory)
        {
            return;
        }

        if (copied.File is not { } file)
        {
            _memory.Walker.VisitWithin(this, copied.Range, ref copy, ref gather);
        }
        else if (_areas.Find(copied.Range.Start)!.IsIndexed)
        {
            file.PrivateMappings.Enter();
            copied.IsIndexed = true;
            file.PrivateMappings.Add(copied);
            _memory.Walker.VisitWithin(this, copied.Range, ref copy, ref gather);
            file.PrivateMappings.Exit();
        }
    }

    private struct CopyVisitor(AddressSpace child) : IEntryVisitor
    {
        private Frame _table;
        private AddressRange _tableSpan;

        public bool OutOfMemory { get; private set; }

        public void Visit(EntryRef entry, ref FlushGather gather)
        {
            var frame = entry.AnonymousFrame;
            if (frame.IsNone || OutOfMemory)
            {
                return;
            }

            // Nobody can change the child yet but a truncation, which takes copies out of areas that are done: the
            // child's tables are written without their locks, and must be, since the walker holds that of the
            // parent's table. What such a table counts, both change by atomic steps.
            var store = child.Store;
            if (!_tableSpan.Contains(entry.Range))
            {
                if (!child.TryMakePath(entry.Range.Start, Level.Pte, alone: true, out _table))
                {
                    OutOfMemory = true;
                    return;
                }

                _tableSpan = AddressRange.TableSpan(entry.Range.Start, Level.Pte);
            }

            var rights = store.Format.RightsOf(entry.Entry, entry.Level) & ~Rights.Write;
            entry.SetRights(rights, ref gather);
            Interlocked.Increment(ref store.Memory.Record(frame).References);
            var leaf = store.Format.MakeLeaf(Level.Pte, frame.Address, rights, protectionKey: store.Format.ProtectionKeyOf(entry.Entry, Level.Pte));
            store.Prepare(_table, Level.Index(entry.Range.Start.Value, Level.Pte), leaf);
            Interlocked.Increment(ref store.Memory.Record(_table).AnonymousLeaves);
        }
    }
}
