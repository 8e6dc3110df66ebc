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

        bool complete = false;
        try
        {
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
        }
        finally
        {
            if (!complete)
            {
                child.Exit();
            }
        }

        return complete ? child : null;
    }

    private bool CopyTo(AddressSpace child)
    {
        var areas = new Area[_areas.Count];
        for (int i = 0; i < areas.Length; i++)
        {
            var area = _areas[i];
            areas[i] = new Area(child, area.Range, area.Rights, area.IsShared, area.File, area.Offset);
            if (area.File is { } file)
            {
                child.AddFile(file);
            }
        }

        child._areas.Replace(0, 0, areas);

        // Private pages: both sides refer to the same frame, read-only, until one of them writes.
        var gather = new FlushGather(Store, this);
        var everything = new AddressRange(new VirtualAddress(0), UserEnd.AlignUp(Level.PageSize) + Level.PageSize);
        var copy = new CopyVisitor(child);
        _memory.Walker.VisitWithin(this, everything, ref copy, ref gather);
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

            // Nobody else knows the child yet: its tables are written without their locks, and must be, since the
            // walker holds that of the parent's table.
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
            var leaf = store.Format.MakeLeaf(Level.Pte, frame.Address, rights);
            store.Prepare(_table, Level.Index(entry.Range.Start.Value, Level.Pte), leaf);
            store.Memory.Record(_table).AnonymousLeaves++;
        }
    }
}
